#include "server/drain.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/core_pair_test_support.hpp"

namespace knul::server {
namespace {

using krepis::Fin;
using krepis::LibraryCode;
using Source = krepis::CloseReason::Source;
using namespace std::chrono_literals;

bool is_drained_within(CorePair& pair, base::Duration limit) {
  const base::Instant end = pair.now + limit;
  while (!pair.server->is_drained(pair.now) && pair.now < end) {
    pair.advance(1ms);
  }
  return pair.server->is_drained(pair.now);
}

TEST(Drain, IsNotOverBeforeItBegins) {
  CorePair pair;
  EXPECT_FALSE(pair.server->is_drained(pair.now));
  pair.server->begin_drain(pair.now, pair.now + 5s);
  EXPECT_TRUE(pair.server->is_drained(pair.now));
  EXPECT_EQ(pair.server_record.drains, 1);
}

TEST(Drain, ClosesAnIdleConnectionAtOnce) {
  CorePair pair;
  pair.shake_hands();
  pair.server->begin_drain(pair.now, pair.now + 5s);
  pair.run();
  ASSERT_EQ(pair.client_record.connections_closed.size(), 1U);
  EXPECT_EQ(pair.client_record.connections_closed[0].source, Source::kPeerApplication);
  EXPECT_EQ(pair.client_record.connections_closed[0].code, 0U);
  ASSERT_EQ(pair.server_record.connections_closed.size(), 1U);
  EXPECT_EQ(pair.server_record.connections_closed[0].source, Source::kDrain);
  EXPECT_EQ(pair.server_counters.connections_closed_drain.load(), 1U);
}

// A written answer may still be lost with its connection.
TEST(Drain, WaitsUntilTheLastByteIsAcknowledged) {
  CorePair pair;
  pair.shake_hands();
  pair.server_record.on_data = [](krepis::Stream& stream, Fin) {
    stream.write(quic::bytes_of("answer"), Fin::kYes);
  };
  pair.send_request("question");
  pair.carry(*pair.client, *pair.server);
  pair.is_cut = true;
  pair.server->begin_drain(pair.now, pair.now + 5s);
  pair.advance(2s);
  EXPECT_EQ(pair.server_counters.requests_completed.load(), 1U);  // handed to the network
  EXPECT_TRUE(pair.server_record.connections_closed.empty());
  pair.is_cut = false;
  EXPECT_TRUE(is_drained_within(pair, 2900ms));
  EXPECT_EQ(pair.client_record.received_bytes, 6U);
  EXPECT_EQ(pair.server->drain_report().streams_completed, 1U);
  EXPECT_EQ(pair.server->drain_report().streams_cut, 0U);
}

TEST(Drain, SendsQueuedDatagramsBeforeItCloses) {
  CorePair pair;
  pair.shake_hands();
  ASSERT_TRUE(pair.server_record.connection->send_datagram(quic::bytes_of("last words")));
  pair.server->begin_drain(pair.now, pair.now + 5s);
  EXPECT_TRUE(is_drained_within(pair, 300ms));
  EXPECT_EQ(pair.client_counters.datagrams_received.load(), 1U);
  EXPECT_EQ(pair.server->drain_report().connections_closed, 1U);
}

TEST(Drain, CutsAtTheDeadlineAndSaysWhatWasCut) {
  CorePair pair;
  pair.shake_hands();
  pair.send_request("never answered");
  pair.advance(10ms);
  const base::Instant deadline = pair.now + 1s;
  pair.server->begin_drain(pair.now, deadline);
  EXPECT_TRUE(is_drained_within(pair, 1'100ms));
  EXPECT_GE(pair.now, deadline);
  EXPECT_EQ(pair.server->drain_report().streams_cut, 1U);
  ASSERT_EQ(pair.client_record.connections_closed.size(), 1U);
  EXPECT_EQ(pair.client_record.connections_closed[0].code,
            static_cast<std::uint64_t>(LibraryCode::kDeadline));
}

TEST(Drain, CountsTheStreamsOfAConnectionThatTheProgramCloses) {
  CorePair pair;
  pair.shake_hands();
  pair.send_request("never answered");
  pair.advance(10ms);
  pair.server->begin_drain(pair.now, pair.now + 5s);
  pair.server_record.connection->close(7, "the program has had enough");
  EXPECT_TRUE(is_drained_within(pair, 1s));
  EXPECT_EQ(pair.server->drain_report().streams_cut, 1U);
}

// Several connections, because one alone leaves half of the memory free.
TEST(Drain, CountsTheStreamsOfConnectionsThatAreClosedForTheirMemory) {
  constexpr std::uint64_t kConnections = 5;
  CorePair pair(CorePair::ServerProgram::kScripted,
                [](quic::EndpointOptions& server) { server.send_buffer_bytes = 64 << 10; });
  pair.server_record.on_data = [](krepis::Stream& stream, Fin) {
    stream.write(std::vector<std::uint8_t>(1 << 20), Fin::kYes);
  };
  std::vector<krepis::Connection*> clients;
  while (clients.size() < kConnections) {
    pair.shake_hands();
    clients.push_back(pair.client_record.connection);
  }
  for (krepis::Connection* client : clients) {
    pair.client_record.connection = client;
    pair.send_request("question");
  }
  pair.carry(*pair.client, *pair.server);
  pair.is_cut = true;
  pair.server->begin_drain(pair.now, pair.now + 20s);
  EXPECT_TRUE(is_drained_within(pair, 21s));
  EXPECT_GT(
      std::ranges::count(pair.server_record.connections_closed,
                         static_cast<std::uint64_t>(LibraryCode::kNoProgress), &krepis::CloseReason::code),
      0);
  EXPECT_EQ(pair.server->drain_report().connections_closed, kConnections);
  EXPECT_EQ(pair.server->drain_report().streams_cut, kConnections);
}

TEST(Drain, NeverOutlastsItsDeadlineByATenthOfASecond) {
  CorePair pair;
  pair.shake_hands();
  pair.send_request("never answered");
  pair.advance(10ms);
  pair.is_cut = true;
  pair.server->begin_drain(pair.now, pair.now + 1s);
  EXPECT_TRUE(is_drained_within(pair, 1'100ms));
}

TEST(Drain, RefusesAStreamWithoutAWordToTheProgram) {
  CorePair pair;
  pair.shake_hands();
  pair.send_request("under way", Fin::kNo);
  pair.advance(10ms);
  pair.server->begin_drain(pair.now, pair.now + 5s);
  const krepis::StreamId late = pair.send_request("too late");
  pair.advance(100ms);
  EXPECT_EQ(pair.client_record.resets,
            std::vector<std::uint64_t>{static_cast<std::uint64_t>(LibraryCode::kDraining)});
  EXPECT_EQ(pair.client_record.closed, std::vector<krepis::StreamId>{late});
  EXPECT_EQ(pair.server_record.opened.size(), 1U);
  EXPECT_TRUE(pair.server_record.closed.empty());
}

TEST(Drain, GivesNoMoreStreamCredit) {
  CorePair pair;
  pair.shake_hands();
  pair.send_request("under way", Fin::kNo);
  pair.advance(10ms);
  pair.server->begin_drain(pair.now, pair.now + 5s);
  int opened = 0;
  krepis::Connection& connection = *pair.client_record.connection;
  for (int round = 0; round < 5; ++round) {
    while (const auto stream = connection.open_stream(krepis::StreamDirection::kBidirectional)) {
      (*stream)->write(std::span<const std::uint8_t>{}, Fin::kYes);
      ++opened;
    }
    pair.advance(100ms);
  }
  EXPECT_EQ(opened, 99);
}

}  // namespace
}  // namespace knul::server
