// Which connections get the limited places of an endpoint: half-open handshakes, connections, and entries of
// the closing table.
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr const char* kOne = "192.0.2.1";
constexpr const char* kOther = "192.0.2.2";
constexpr const char* kThird = "192.0.2.3";

base::Path path_from(const char* host) {
  return {*base::SocketAddress::parse(host, 40'000), EndpointPair::path().remote};
}

// No packet of the server arrives, so that handshakes stay half-open. An address may hold seven of the eight
// places.
struct HalfOpen {
  HalfOpen() {
    pair.drops = [](std::span<const std::uint8_t>, bool is_from_client) { return !is_from_client; };
  }
  void begin(const char* host) {
    ASSERT_TRUE(pair.client->connect({path_from(host), "localhost", 0}, pair.now).has_value());
    pair.carry(*pair.client, *pair.server);
    pair.carry(*pair.server, *pair.client);
  }
  void expect(std::uint64_t accepted, std::uint64_t evicted, std::uint64_t dropped) const {
    EXPECT_EQ(pair.server_counters.connections_accepted.load(), accepted);
    EXPECT_EQ(pair.server_counters.handshakes_failed_evicted.load(), evicted);
    EXPECT_EQ(pair.server_counters.packets_dropped_half_open_share.load(), dropped);
    EXPECT_EQ(pair.server_counters.connections_half_open.load(), accepted - evicted);
    EXPECT_EQ(pair.server->closing_count(), 0U) << "who is evicted is told nothing";
  }

  EndpointPair pair{[](EndpointOptions& server, EndpointOptions&) {
    server.max_half_open = 8;
    server.retry = RetryPolicy::kNever;
  }};
};

TEST(EndpointPlaces, OfYoungHandshakesAreNotTakenByTheSameAddress) {
  HalfOpen all;
  all.begin(kOne);
  all.pair.now += 500ms;
  for (int i = 1; i < 7; ++i) {
    all.begin(kOne);
  }
  all.expect(7, 0, 0);
  all.pair.now += 499ms;
  all.begin(kOne);
  all.expect(7, 0, 1);
  all.pair.now += 1ms;
  all.begin(kOne);  // the first handshake is a second old, the others half a second
  all.expect(8, 1, 1);
  all.begin(kOne);
  all.expect(8, 1, 2);
}

TEST(EndpointPlaces, OfYoungHandshakesAreTakenByAnAddressThatHasFewer) {
  HalfOpen all;
  for (int i = 0; i < 7; ++i) {
    all.begin(kOne);
  }
  all.begin(kOther);
  all.expect(8, 0, 0);
  all.begin(kThird);
  all.expect(9, 1, 0);
}

struct Admitted {
  static constexpr std::size_t kMost = 8;

  explicit Admitted(RetryPolicy retry = RetryPolicy::kAuto)
      : pair([retry](EndpointOptions& server, EndpointOptions&) {
          server.max_connections = kMost;
          server.retry = retry;
        }) {}
  void connect(const char* host) {
    ASSERT_TRUE(pair.client->connect({path_from(host), "localhost", 0}, pair.now).has_value());
    pair.advance(100ms);
  }
  // Opens the maximum number of connections from one address. The first has a stream.
  void fill() {
    for (std::size_t i = 0; i < kMost; ++i) {
      connect(kOne);
      ASSERT_EQ(pair.server_observer.connections.size(), i + 1);
      numbers.push_back(pair.server_observer.connections.back()->number());
      if (i == 0) {
        Connection& connection = pair.client_connection();
        connection.streams().write_copy(**connection.streams().open(StreamDirection::kBidirectional),
                                        bytes_of("a request without an end"), Fin::kNo);
      }
    }
    pair.advance(2s);
  }
  // Uses a connection, by order of arrival, without a stream.
  void use(std::size_t index) {
    ASSERT_TRUE(pair.client_observer.connections.at(index)->send_datagram(bytes_of("still there")));
    pair.run();
  }
  [[nodiscard]] std::vector<std::size_t> gone() const {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (pair.server->find_connection(numbers[i]) == nullptr) {
        result.push_back(i);
      }
    }
    return result;
  }

  EndpointPair pair;
  std::vector<std::uint64_t> numbers;
};

TEST(EndpointPlaces, OfConnectionsAreTakenFromWhoHasNoStreamsAndWasInactiveForLongest) {
  Admitted all;
  all.fill();
  all.use(1);
  all.use(2);
  all.pair.advance(1'500ms);
  all.use(1);
  all.connect(kOther);
  EXPECT_EQ(all.gone(), std::vector<std::size_t>{3})
      << "of the first the stream is open, the second is active";
  ASSERT_EQ(all.pair.server_observer.closed.size(), 1U);
  EXPECT_EQ(all.pair.server_observer.closed[0].code, kNoProgressCode);
  EXPECT_EQ(all.pair.server->connection_count(), Admitted::kMost);
}

TEST(EndpointPlaces, OfConnectionsAreTakenFromOneWithStreamsWhereNoOtherIsInactive) {
  Admitted all;
  all.fill();
  for (std::size_t i = 1; i < Admitted::kMost; ++i) {
    all.use(i);
  }
  all.connect(kOther);
  EXPECT_EQ(all.gone(), std::vector<std::size_t>{0});
}

TEST(EndpointPlaces, OfConnectionsThatWereActiveWithinASecondAreTakenByNobody) {
  Admitted all;
  all.fill();
  for (std::size_t i = 0; i < Admitted::kMost; ++i) {
    all.use(i);
  }
  all.pair.advance(100ms);  // acknowledgements are activity too
  all.pair.now += 700ms;
  all.connect(kOther);
  EXPECT_EQ(all.gone(), std::vector<std::size_t>{});
  EXPECT_EQ(all.pair.server_counters.connections_refused_limit.load(), 1U);
  all.pair.now += 300ms;
  all.connect(kOther);
  EXPECT_EQ(all.gone().size(), 1U) << "a second later there is one";
}

TEST(EndpointPlaces, OfConnectionsAreNotTakenByTheAddressThatHasMost) {
  Admitted all;
  all.fill();
  all.connect(kOne);
  EXPECT_EQ(all.gone(), std::vector<std::size_t>{});
  EXPECT_EQ(all.pair.server_counters.connections_refused_limit.load(), 1U);
  EXPECT_EQ(all.pair.server_counters.retries_sent.load(), 0U) << "it is refused at once";
}

TEST(EndpointPlaces, OfConnectionsAreNotTakenByAnAddressThatMayBeForged) {
  Admitted all(RetryPolicy::kNever);
  all.fill();
  all.connect(kOther);
  EXPECT_EQ(all.gone(), std::vector<std::size_t>{});
  EXPECT_EQ(all.pair.server_counters.connections_refused_limit.load(), 1U);
}

// An address may hold seven of eight places.
TEST(EndpointPlaces, OfConnectionsThatAreOverGoToTheLatestOfTheirAddress) {
  constexpr std::size_t kConnections = 9;
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.max_closing = 8; });
  std::vector<std::vector<std::uint8_t>> late;
  for (std::size_t i = 0; i < kConnections; ++i) {
    pair.shake_hands();
    ASSERT_TRUE(pair.client_observer.connections.back()->send_datagram(bytes_of("late")));
    late.push_back(pair.intercept());
  }
  pair.drops = [](std::span<const std::uint8_t>, bool) { return true; };
  const std::vector<Connection*> connections = pair.server_observer.connections;
  for (Connection* connection : connections) {
    connection->close(7, "over");
    pair.carry(*pair.server, *pair.client);
  }
  const stats::WorkerCounters& counters = pair.server_counters;
  EXPECT_EQ(pair.server->closing_count(), 7U);
  EXPECT_EQ(counters.connections_closing.load(), 7U);
  EXPECT_EQ(counters.connections_closing_evicted.load(), 2U);
  for (const std::vector<std::uint8_t>& packet : late) {
    std::ignore = pair.server->handle_datagram(
        {{EndpointPair::path().remote, EndpointPair::path().local}, base::Ecn::kNotEct, packet}, pair.now);
  }
  EXPECT_EQ(counters.packets_dropped_closing.load(), 7U);
  EXPECT_EQ(counters.packets_dropped_unknown_connection.load(), 2U);
  EXPECT_EQ(counters.stateless_resets_sent.load(), 2U);
  pair.advance(10s);
  EXPECT_EQ(counters.connections_closing.load(), 0U);
}

}  // namespace
}  // namespace knul::quic
