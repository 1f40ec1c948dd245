// Pacing (RFC 9002 §7.7) without a timer after the last packet.
#include <gtest/gtest.h>

#include <array>
#include <tuple>
#include <utility>

#include "quic/endpoint/slow_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBytes = 4'000;

// A server that spreads the packets of kBytes over about 10 ms.
struct PacedPair : SlowPair {
  explicit PacedPair(const Change& change = {}) : SlowPair(change) {
    send();
    travel();  // so that the client's next packet only acknowledges
  }
  // The number of packets that the server sends now for a stream of `bytes`.
  std::uint64_t send(std::size_t bytes = kBytes) {
    Stream& stream = **server_connection().streams().open(StreamDirection::kUnidirectional);
    server_connection().streams().write_copy(stream, std::vector<std::uint8_t>(bytes, 1), Fin::kYes);
    return count_packets(*server);
  }
  // The client acknowledges all packets before the server's next packet may leave.
  void acknowledge_early() {
    now += 1ms;
    ASSERT_EQ(count_packets(*client), 1U);
    ASSERT_EQ(count_packets(*server), 0U);
  }
};

TEST(Pacing, LeavesNoTimerWhenAllIsSent) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  EXPECT_GT(pair.server->next_expiry(), pair.now + 40ms) << "nothing waits for its turn";
}

TEST(Pacing, LetsTheNextPacketWaitForItsTurn) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.now += 1ms;
  EXPECT_EQ(pair.send(), 0U);
  const base::Instant turn = pair.server->next_expiry();
  EXPECT_LT(turn, pair.now + 15ms);
  pair.now = turn;
  pair.server->handle_expiry(pair.now);
  EXPECT_GT(pair.count_packets(*pair.server), 1U);
}

TEST(Pacing, LeavesNoTimerWhenAllIsAcknowledgedBeforeItsTime) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.acknowledge_early();
  EXPECT_GT(pair.server->next_expiry(), pair.now + 900ms);

  EXPECT_EQ(pair.send(), 0U);
  EXPECT_LT(pair.server->next_expiry(), pair.now + 15ms);
  pair.now = pair.server->next_expiry();
  pair.server->handle_expiry(pair.now);
  EXPECT_GT(pair.count_packets(*pair.server), 1U) << "it still had to wait for its turn";
}

// Fewer than three packets after a lost one do not prove its loss; more do.
constexpr std::array kFewOrMany{kBytes / 2, 2 * kBytes};

TEST(Pacing, LeavesATimerForPacketsThatAreNotAcknowledged) {
  for (const std::size_t bytes : kFewOrMany) {
    SCOPED_TRACE(bytes);
    PacedPair pair;
    pair.drops = [is_first = true](std::span<const std::uint8_t>, bool) mutable {
      return std::exchange(is_first, false);
    };
    ASSERT_GT(pair.send(bytes), 1U);
    pair.drops = nullptr;
    pair.acknowledge_early();
    EXPECT_LT(pair.server->next_expiry(), pair.now + 100ms);
  }
}

// Only frames outside streams were lost: credit for the client's streams.
TEST(Pacing, LeavesATimerForFramesThatWereLost) {
  for (const std::size_t bytes : kFewOrMany) {
    SCOPED_TRACE(bytes);
    PacedPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.max_streams_uni = 4; });
    for (int i = 0; i < 2; ++i)
      pair.client_connection().streams().write_copy(
          **pair.client_connection().streams().open(StreamDirection::kUnidirectional), bytes_of("x"),
          Fin::kYes);
    pair.count_packets(*pair.client);
    pair.drops = [](std::span<const std::uint8_t>, bool) { return true; };
    ASSERT_EQ(pair.count_packets(*pair.server), 1U);
    pair.drops = nullptr;
    pair.now += 5ms;
    ASSERT_GT(pair.send(bytes), 1U);
    pair.acknowledge_early();
    ASSERT_EQ(pair.server_connection().streams().buffered_bytes(), 0U);
    ASSERT_EQ(pair.server_connection().transport_state().in_flight_bytes == 0, bytes > kBytes);
    EXPECT_LT(pair.server->next_expiry(), pair.now + 100ms);
  }
}

// Pacing let a packet pass that acknowledged the packets that caused these frames.
TEST(Pacing, LeavesATimerForFramesThatWaitForTheirTurn) {
  PacedPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.max_streams_uni = 1; });
  ASSERT_GT(pair.send(2 * kBytes), 1U);  // some 20 ms
  pair.now += 1ms;
  pair.client_connection().streams().write_copy(
      **pair.client_connection().streams().open(StreamDirection::kUnidirectional), bytes_of("x"), Fin::kYes);
  ASSERT_EQ(pair.count_packets(*pair.client), 1U);
  const base::SendBatch& sent = pair.batch;
  const std::span<const std::uint8_t> bytes = sent.bytes(sent.trains().front());
  const std::vector<std::uint8_t> packet(bytes.begin(), bytes.end());
  ASSERT_EQ(pair.count_packets(*pair.server), 0U);
  pair.now = pair.server->next_expiry();
  pair.server->handle_expiry(pair.now);
  ASSERT_EQ(pair.count_packets(*pair.server), 1U) << "the acknowledgement";

  const base::Path path = EndpointPair::path();
  std::ignore = pair.server->handle_datagram({{path.remote, path.local}, {}, packet}, pair.now);  // again
  ASSERT_EQ(pair.count_packets(*pair.server), 0U);
  EXPECT_LT(pair.server->next_expiry(), pair.now + 20ms);
  pair.now = pair.server->next_expiry();
  pair.server->handle_expiry(pair.now);
  EXPECT_EQ(pair.count_packets(*pair.server), 1U) << "the credit for the next stream";
}

TEST(Pacing, LeavesATimerForAnAcknowledgementThatIsOwed) {
  PacedPair pair;
  Stream& upload = **pair.client_connection().streams().open(StreamDirection::kUnidirectional);
  ASSERT_GT(pair.send(kBytes / 2), 1U);  // some 5 ms; an acknowledgement may wait for 6 ms
  pair.client_connection().streams().write_copy(upload, std::vector<std::uint8_t>(1), Fin::kYes);
  pair.acknowledge_early();
  EXPECT_LT(pair.server->next_expiry(), pair.now + 30ms);
}

TEST(Pacing, LetsTheConnectionHibernateOnce) {
  PacedPair pair([](EndpointOptions& server, EndpointOptions& client) {
    server.transport.hibernate_after = 200ms;
    server.transport.idle_timeout = 800ms;
    // No path MTU probes.
    server.transport.max_udp_payload_bytes = client.transport.max_udp_payload_bytes = 1'200;
  });
  const std::uint64_t before = pair.server_counters.hibernations.load();
  ASSERT_GT(pair.send(), 1U);
  pair.acknowledge_early();
  pair.advance(450ms);  // before the client grants stream credit
  EXPECT_TRUE(pair.server_connection().is_hibernating());
  EXPECT_EQ(pair.server_counters.hibernations.load(), before + 1);
}

TEST(Pacing, DoesNotMakeUpForTimeWithNothingToSend) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.travel();
  ASSERT_GT(pair.send(), 1U);
  EXPECT_EQ(pair.send(), 0U) << "half a second of silence is no credit";
}

}  // namespace
}  // namespace knul::quic
