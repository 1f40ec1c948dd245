#include "quic/endpoint/endpoint.hpp"

#include <tuple>

#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using Source = CloseCause::Source;
using namespace std::chrono_literals;

TEST(Endpoint, CompletesAHandshakeAndAgreesOnAlpnAndName) {
  EndpointPair pair;
  pair.shake_hands();
  ASSERT_EQ(pair.server_observer.connections.size(), 1U);
  ASSERT_EQ(pair.client_observer.connections.size(), 1U);
  EXPECT_EQ(pair.server_connection().alpn(), "knul");
  EXPECT_EQ(pair.server_connection().server_name(), "localhost");
  EXPECT_EQ(pair.client_connection().context(), 42U);
  EXPECT_EQ(pair.server_counters.connections_active.load(), 1U);
  EXPECT_EQ(pair.server_counters.connections_half_open.load(), 0U);
}

TEST(Endpoint, ResumesSessionsAsAClientThatKeepsTickets) {
  for (const bool keeps : {true, false}) {
    EndpointPair pair([&](EndpointOptions&, EndpointOptions& client) { client.resumes_sessions = keeps; });
    for (int i = 0; i < 3; ++i)
      pair.shake_hands();
    EXPECT_EQ(pair.server_counters.handshakes_completed.load(), 3U);
    EXPECT_EQ(pair.server_counters.handshakes_resumed.load(), keeps ? 2U : 0U);
    EXPECT_FALSE(pair.client_observer.connections.at(0)->is_resumed());
    EXPECT_EQ(pair.client_observer.connections.at(2)->is_resumed(), keeps);
  }
}

TEST(Endpoint, MakesAFullHandshakeWhenTheServerCannotReadTheTicket) {
  EndpointPair pair([](EndpointOptions&, EndpointOptions& client) { client.resumes_sessions = true; });
  pair.shake_hands();
  EndpointOptions other = EndpointPair::options();
  other.server_tls = EndpointPair::server_tls({"knul"});  // with its own ticket key
  pair.server =
      std::make_unique<Endpoint>(other, pair.server_observer, pair.random, pair.log, pair.server_counters);
  pair.shake_hands();
  EXPECT_EQ(pair.server_counters.handshakes_completed.load(), 2U);
  EXPECT_EQ(pair.server_counters.handshakes_resumed.load(), 0U);
}

TEST(Endpoint, CarriesAMegabyteBothWays) {
  EndpointPair pair;
  pair.shake_hands();
  std::string text(1 << 20, 'x');
  for (std::size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<char>(i * 31 >> 3);
  pair.server_observer.on_data = [&](Connection& connection, Stream& stream, Fin fin) {
    if (fin == Fin::kYes) {
      EXPECT_EQ(connection.streams().write_copy(stream, bytes_of(text), Fin::kYes), text.size());
    }
  };
  Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
  ASSERT_EQ(pair.client_connection().streams().write_copy(stream, bytes_of(text), Fin::kYes), text.size());
  const std::int64_t id = stream.id;
  pair.advance(1s);
  EXPECT_EQ(pair.server_observer.received[id], text);
  EXPECT_EQ(pair.client_observer.received[id], text);
  EXPECT_EQ(pair.server_observer.streams_closed, std::vector<std::int64_t>{id});
  EXPECT_EQ(pair.server_counters.send_buffer_bytes.load(), 0U);
}

TEST(Endpoint, TellsAFullStreamOfRoomWhenItsDataIsAcknowledged) {
  EndpointPair pair([](EndpointOptions&, EndpointOptions& client) {
    client.transport.stream_send_buffer_bytes = 16 << 10;
    client.transport.max_stream_send_buffer_bytes = 16 << 10;
  });
  pair.shake_hands();
  const std::string text(100'000, 'x');
  std::size_t written = 0;
  int times_told = 0;
  const auto write_more = [&](Connection& connection, Stream& stream) {
    written += connection.streams().write_copy(stream, bytes_of(text.substr(written)), Fin::kYes);
  };
  pair.client_observer.on_writable = [&](Connection& connection, Stream& stream) {
    ++times_told;
    write_more(connection, stream);
  };
  Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
  const std::int64_t id = stream.id;
  write_more(pair.client_connection(), stream);
  EXPECT_EQ(written, 16U << 10);
  pair.advance(1s);
  EXPECT_GE(times_told, 5);
  EXPECT_EQ(pair.server_observer.received[id], text);
}

TEST(Endpoint, SlowsThePeerDownUntilDataIsConsumed) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) {
    server.transport.initial_max_stream_data_bytes = 50'000;
  });
  pair.shake_hands();
  pair.server_observer.consumes = false;
  Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
  pair.client_connection().streams().write_copy(stream, bytes_of(std::string(200'000, 'a')), Fin::kYes);
  pair.advance(1s);
  EXPECT_EQ(pair.server_observer.received[0].size(), 50'000U);
  pair.server_connection().streams().consume(*pair.server_connection().streams().find(0), 50'000);
  pair.advance(1s);
  EXPECT_GT(pair.server_observer.received[0].size(), 90'000U);
}

TEST(Endpoint, GivesStreamCreditBackOnlyWhenAStreamIsConsumed) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.max_streams_bidi = 1; });
  pair.shake_hands();
  pair.server_observer.consumes = false;
  pair.server_observer.on_data = [](Connection& connection, Stream& stream, Fin fin) {
    if (fin == Fin::kYes)
      connection.streams().write_copy(stream, {}, Fin::kYes);
  };
  Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
  pair.client_connection().streams().write_copy(stream, bytes_of("abc"), Fin::kYes);
  pair.advance(1s);
  EXPECT_FALSE(pair.client_connection().streams().open(StreamDirection::kBidirectional).has_value());
  pair.client_observer.streams_available = 0;
  pair.server_connection().streams().consume(*pair.server_connection().streams().find(0), 3);
  pair.advance(1s);
  EXPECT_TRUE(pair.client_connection().streams().open(StreamDirection::kBidirectional).has_value());
  EXPECT_EQ(pair.client_observer.streams_available, 1);
}

TEST(Endpoint, TellsOfResetAndStopSendingWithTheirCodes) {
  EndpointPair pair;
  pair.shake_hands();
  Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
  pair.client_connection().streams().write_copy(stream, bytes_of("abc"), Fin::kNo);
  pair.run();
  pair.client_connection().streams().reset(stream, 71);
  pair.client_connection().streams().stop_sending(stream, 72);
  pair.advance(1s);
  EXPECT_EQ(pair.server_observer.resets, std::vector<std::uint64_t>{71});
  EXPECT_EQ(pair.server_observer.stops, std::vector<std::uint64_t>{72});
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1U);
}

TEST(Endpoint, CarriesDatagramsAndRefusesEmptyOnes) {
  EndpointPair pair;
  pair.shake_hands();
  EXPECT_FALSE(pair.client_connection().send_datagram({}));
  EXPECT_TRUE(pair.client_connection().send_datagram(bytes_of("ping")));
  pair.advance(1s);
  EXPECT_EQ(pair.server_observer.datagrams, std::vector<std::string>{"ping"});
}

TEST(Endpoint, TellsThePeerTheApplicationsCloseCode) {
  EndpointPair pair;
  pair.shake_hands();
  pair.client_connection().close(99, "bye");
  pair.run();
  ASSERT_EQ(pair.server_observer.closed.size(), 1U);
  EXPECT_EQ(pair.server_observer.closed[0].source, Source::kPeerApplication);
  EXPECT_EQ(pair.server_observer.closed[0].code, 99U);
  EXPECT_EQ(pair.server_observer.closed[0].reason, "bye");
  EXPECT_EQ(pair.server->connection_count(), 0U);
}

TEST(Endpoint, ClosesWithTheAlpnAlertWhenNothingMatches) {
  EndpointPair pair([](EndpointOptions&, EndpointOptions& client) {
    client.client_tls = EndpointPair::client_tls({"other"});
  });
  pair.shake_hands();
  ASSERT_EQ(pair.client_observer.closed.size(), 1U);
  EXPECT_EQ(pair.client_observer.closed[0].code, 0x178U);
  EXPECT_EQ(pair.server_counters.handshakes_failed_alpn.load(), 1U);
  EXPECT_EQ(pair.server_counters.connections_half_open.load(), 0U);
}

TEST(Endpoint, ValidatesAddressesByRetryWhenAsked) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.retry = RetryPolicy::kAlways; });
  pair.shake_hands();
  EXPECT_EQ(pair.server_counters.retries_sent.load(), 1U);
  EXPECT_EQ(pair.server_observer.connections.size(), 1U);
}

// A first flight takes 0.2 ms of the worker's time; meanwhile the kernel would drop the packets of others.
TEST(Endpoint, AnswersAFloodOfInitialsByRetryLongBeforeHalfOfItsHandshakesAreUnderWay) {
  constexpr std::uint64_t kInitials = 2 * kHalfOpenWithoutRetry;
  EndpointPair pair;
  ASSERT_GT(EndpointPair::options().max_half_open / 2, kInitials);
  pair.drops = [](std::span<const std::uint8_t>, bool is_from_client) { return !is_from_client; };
  for (std::uint64_t i = 0; i < kInitials; ++i) {
    pair.connect();
    pair.carry(*pair.client, *pair.server);
    pair.carry(*pair.server, *pair.client);
  }
  EXPECT_EQ(pair.server_counters.connections_accepted.load(), kHalfOpenWithoutRetry);
  EXPECT_EQ(pair.server_counters.retries_sent.load(), kInitials - kHalfOpenWithoutRetry);
  pair.drops = nullptr;
  pair.shake_hands();
  EXPECT_EQ(pair.server_counters.handshakes_completed.load() > 0, true)
      << "an honest client answers the Retry";
}

TEST(Endpoint, ClosesAnIdleConnectionSilently) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.idle_timeout = 2s; });
  pair.shake_hands();
  pair.advance(3s);
  ASSERT_EQ(pair.server_observer.closed.size(), 1U);
  EXPECT_EQ(pair.server_observer.closed[0].source, Source::kIdleTimeout);
}

TEST(Endpoint, GivesUpOnAHandshakeAtItsTimeout) {
  EndpointPair pair;
  pair.drops = [](std::span<const std::uint8_t>, bool is_from_client) { return !is_from_client; };
  pair.connect();
  pair.advance(11s);
  ASSERT_FALSE(pair.server_observer.closed.empty());
  EXPECT_EQ(pair.server_observer.closed[0].source, Source::kHandshakeTimeout);
  EXPECT_EQ(pair.server_counters.connections_half_open.load(), 0U);
}

TEST(Endpoint, RefusesNewConnectionsWhenToldTo) {
  EndpointPair pair;
  pair.server->refuse_new_connections();
  pair.shake_hands();
  ASSERT_EQ(pair.client_observer.closed.size(), 1U);
  EXPECT_EQ(pair.client_observer.closed[0].source, Source::kPeerTransport);
  EXPECT_EQ(pair.client_observer.closed[0].code, 0x2U);
}

TEST(Endpoint, NamesTheWorkerThatOwnsAShortHeaderPacket) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) {
    server.worker = 1;
    server.workers = 4;
  });
  const std::vector<std::uint8_t> packet{0x40, 6, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3};
  const auto path = EndpointPair::path();
  EXPECT_EQ(pair.server->handle_datagram({{path.remote, path.local}, base::Ecn::kNotEct, packet}, pair.now),
            2U);
}

TEST(Endpoint, KnowsThePacketsThatCameTogetherForOneConnection) {
  EndpointPair pair;
  pair.shake_hands();
  pair.shake_hands();
  std::vector<bool> is_recent;
  pair.drops = [&](std::span<const std::uint8_t> packet, bool is_from_client) {
    if (is_from_client)
      is_recent.push_back(
          pair.server->is_for_recent_connection({EndpointPair::path(), base::Ecn::kNotEct, packet}));
    return false;
  };
  for (std::size_t i : {0, 1}) {
    Connection& connection = *pair.client_observer.connections.at(i);
    connection.streams().write_copy(**connection.streams().open(StreamDirection::kBidirectional),
                                    std::vector<std::uint8_t>(3'000, 1), Fin::kNo);
  }
  pair.carry(*pair.client, *pair.server);
  EXPECT_EQ(is_recent, (std::vector<bool>{false, true, true, false, true, true}));
}

TEST(Endpoint, CountsTheConnectionsThatTheirOwnPacketsRouse) {
  EndpointPair pair;
  pair.shake_hands();
  pair.shake_hands();
  const std::uint64_t before = pair.server->scheduled_count();
  pair.server_observer.on_data = [&](Connection&, Stream&, Fin) {
    for (Connection* connection : pair.server_observer.connections)
      EXPECT_TRUE(connection->send_datagram(bytes_of("to all")));
  };
  Connection& connection = pair.client_connection();
  connection.streams().write_copy(**connection.streams().open(StreamDirection::kBidirectional),
                                  std::vector<std::uint8_t>(3'000, 1), Fin::kNo);
  pair.carry(*pair.client, *pair.server);
  EXPECT_EQ(pair.server->scheduled_count() - before, 1U);
}

TEST(Endpoint, AnswersAnUnknownConnectionWithASmallerReset) {
  EndpointPair pair;
  const auto path = EndpointPair::path();
  for (const std::size_t size : {20U, 21U, 22U, 40U, 43U, 100U}) {
    std::vector<std::uint8_t> packet(size, 0x40);
    std::ignore =
        pair.server->handle_datagram({{path.remote, path.local}, base::Ecn::kNotEct, packet}, pair.now);
    base::SendBatch batch({});
    pair.server->poll_send(batch, pair.now);
    const std::size_t answer = batch.is_empty() ? 0 : batch.trains()[0].length_bytes;
    EXPECT_LT(answer, size);
    EXPECT_EQ(answer > 0, size > 21) << size;
  }
}

}  // namespace
}  // namespace knul::quic
