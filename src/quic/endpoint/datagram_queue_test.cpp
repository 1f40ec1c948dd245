#include "quic/stream/datagram_queue.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

// A connection whose queue holds two unsent datagrams.
struct ShortQueue {
  ShortQueue()
      : pair([](EndpointOptions&, EndpointOptions& client) { client.transport.datagram_queue = 2; }) {
    pair.shake_hands();
  }
  DatagramOutcome send(const std::string& text, const DatagramRequest& request) {
    return pair.client_connection().send_datagram(bytes_of(text), request);
  }

  EndpointPair pair;
};

TEST(DatagramQueue, BlocksWhenFullAndSaysWhenThereIsRoom) {
  ShortQueue queue;
  const DatagramRequest block{.policy = DatagramPolicy::kBlock};
  EXPECT_EQ(queue.send("1", block), DatagramOutcome::kQueued);
  EXPECT_EQ(queue.send("2", block), DatagramOutcome::kQueued);
  EXPECT_EQ(queue.send("3", block), DatagramOutcome::kBlocked);
  queue.pair.advance(1s);
  EXPECT_EQ(queue.pair.client_observer.datagrams_writable, 1);
  EXPECT_EQ(queue.pair.server_observer.datagrams, (std::vector<std::string>{"1", "2"}));
}

// A server whose connections share little send memory, each from its own address. Its clients acknowledge
// nothing after silence().
struct ScarceMemory {
  static constexpr std::size_t kMemoryBytes = 256 << 10;
  static constexpr std::size_t kDatagramBytes = 1'000;  // more than a KiB with overhead: a block of 2 KiB

  explicit ScarceMemory(std::size_t connections, std::size_t bytes = kMemoryBytes)
      : pair([bytes](EndpointOptions& server, EndpointOptions&) {
          server.send_buffer_bytes = bytes;
          server.transport.connection_send_buffer_bytes = bytes / 4;
          server.transport.stream_send_buffer_bytes = 64 << 10;
        }) {
    for (std::size_t i = 0; i < connections; ++i) {
      connect();
    }
  }
  void connect() {
    base::Path path = EndpointPair::path();
    path.local = *base::SocketAddress::parse("10.0.0." + std::to_string(++addresses), 40'000);
    std::ignore = pair.client->connect({path, "localhost", 42}, pair.now);
    pair.advance(100ms);
  }
  void silence() {
    pair.drops = [](std::span<const std::uint8_t>, bool is_from_client) { return is_from_client; };
  }
  // Fills the congestion windows and then the queues of all connections except the last `others`.
  void flood(const DatagramRequest& request = {}, std::size_t others = 0) {
    const std::vector<std::uint8_t> bytes(kDatagramBytes);
    const std::span<Connection*> all(pair.server_observer.connections);
    for (int round = 0; round < 8; ++round) {
      for (Connection* connection : all.first(all.size() - others)) {
        for (int i = 0; i < 64; ++i) {
          std::ignore = connection->send_datagram(bytes, request);
        }
      }
      pair.run();
    }
  }
  [[nodiscard]] std::uint64_t queued_bytes() const {
    return pair.server_counters.datagram_queue_bytes.load();
  }

  EndpointPair pair;
  int addresses = 0;
};

TEST(DatagramQueue, HoldsOfAllConnectionsWhatTheServersSendMemoryAllows) {
  constexpr std::size_t kConnections = 20;
  ScarceMemory server(kConnections);
  server.silence();
  server.flood();
  EXPECT_GT(server.queued_bytes(), ScarceMemory::kMemoryBytes / 4);
  EXPECT_LE(server.queued_bytes(), ScarceMemory::kMemoryBytes);
  EXPECT_GT(server.pair.server_counters.datagrams_dropped_send_memory.load(), 0U);
  EXPECT_LE(server.pair.server_counters.datagrams_dropped_send_memory.load(),
            server.pair.server_counters.datagrams_dropped.load());
}

TEST(DatagramQueue, LeavesSendMemoryToTheStreamsOfOthers) {
  ScarceMemory server(21);
  server.silence();
  server.flood({}, 1);
  Connection& other = *server.pair.server_observer.connections.back();
  Stream& stream = **other.streams().open(StreamDirection::kUnidirectional);
  EXPECT_GE(other.streams().writable_bytes(stream), 1'000U);
}

TEST(DatagramQueue, EndsConnectionsThatAcknowledgeNoneWhileMemoryIsShort) {
  ScarceMemory server(60, 4 << 20);
  server.silence();
  server.flood();
  server.pair.advance(20s);
  ASSERT_FALSE(server.pair.server_observer.closed.empty());
  EXPECT_EQ(server.pair.server_observer.closed.front().source, CloseCause::Source::kNoProgress);
}

// A round trip of 200 ms that loses every third packet.
TEST(DatagramQueue, KeepsConnectionsThatAcknowledgeSomeWhileMemoryIsShort) {
  ScarceMemory server(60, 4 << 20);
  EndpointPair& pair = server.pair;
  int packets = 0;
  pair.drops = [&](std::span<const std::uint8_t>, bool is_from_client) {
    return !is_from_client && ++packets % 3 == 0;
  };
  const std::vector<std::uint8_t> bytes(ScarceMemory::kDatagramBytes);
  for (int round = 0; round < 40; ++round) {
    for (Connection* connection : pair.server_observer.connections) {
      while (connection->send_datagram(bytes)) {
      }
    }
    ASSERT_GT(server.queued_bytes(), 3U << 20) << "it is short";
    for (int batch = 0; batch < 60 && pair.server->wants_send(); ++batch) {
      pair.carry(*pair.server, *pair.client);
    }
    pair.now += 200ms;
    pair.client->handle_expiry(pair.now);
    pair.server->handle_expiry(pair.now);
    pair.carry(*pair.client, *pair.server);
  }
  EXPECT_EQ(pair.server_observer.closed.size(), 0U);
}

TEST(DatagramQueue, GivesItsMemoryBackWhenDatagramsLeaveAndWhenTheirConnectionEnds) {
  ScarceMemory server(2);
  server.flood();
  server.pair.advance(1s);
  EXPECT_EQ(server.queued_bytes(), 0U);
  server.silence();
  server.flood();
  EXPECT_GT(server.queued_bytes(), 0U);
  for (Connection* connection : std::vector(server.pair.server_observer.connections)) {
    EXPECT_EQ(connection->streams().buffered_bytes(), 0U) << "of streams";
    connection->close(1, "over");
  }
  server.pair.run();
  EXPECT_EQ(server.queued_bytes(), 0U);
  EXPECT_EQ(server.pair.server_counters.send_buffer_bytes.load(), 0U);
}

TEST(DatagramQueue, SaysWhenThereIsRoomToWhoWasBlockedByMemory) {
  ScarceMemory server(20);
  server.silence();
  server.flood({.policy = DatagramPolicy::kBlock});
  EXPECT_EQ(server.pair.server_counters.datagrams_dropped.load(), 0U);
  const std::vector<std::uint8_t> bytes(ScarceMemory::kDatagramBytes);
  int blocked = 0;
  for (Connection* connection : server.pair.server_observer.connections) {
    const auto outcome = connection->send_datagram(bytes, {.policy = DatagramPolicy::kBlock});
    blocked += outcome == DatagramOutcome::kBlocked ? 1 : 0;
  }
  ASSERT_GT(blocked, 0);
  server.pair.server_observer.datagrams_writable = 0;
  server.pair.drops = nullptr;
  server.pair.advance(5s);
  EXPECT_EQ(server.pair.server_observer.datagrams_writable, blocked) << "each is told once";
}

TEST(DatagramQueue, PutsTheNewestInPlaceOfTheOldestWhereMemoryIsShort) {
  ScarceMemory server(20);
  server.silence();
  server.flood();
  const std::uint64_t held = server.queued_bytes();
  const std::uint64_t dropped = server.pair.server_counters.datagrams_dropped.load();
  Connection& connection = *server.pair.server_observer.connections.front();
  const std::vector<std::uint8_t> bytes(ScarceMemory::kDatagramBytes, 9);
  EXPECT_EQ(connection.send_datagram(bytes, {.policy = DatagramPolicy::kDropOldest}),
            DatagramOutcome::kQueued);
  EXPECT_EQ(server.queued_bytes(), held);
  EXPECT_EQ(server.pair.server_counters.datagrams_dropped.load(), dropped + 1);
}

TEST(DatagramQueue, DropsTheOldestOrTheNewestAsAsked) {
  ShortQueue queue;
  EXPECT_EQ(queue.send("1", {.fate_context = 11}), DatagramOutcome::kQueued);
  EXPECT_EQ(queue.send("2", {}), DatagramOutcome::kQueued);
  EXPECT_EQ(queue.send("3", {.policy = DatagramPolicy::kDropOldest}), DatagramOutcome::kQueued);
  EXPECT_EQ(queue.send("4", {.policy = DatagramPolicy::kDropNewest}), DatagramOutcome::kDropped);
  queue.pair.advance(1s);
  EXPECT_EQ(queue.pair.server_observer.datagrams, (std::vector<std::string>{"2", "3"}));
  ASSERT_EQ(queue.pair.client_observer.fates.size(), 1U);
  EXPECT_EQ(queue.pair.client_observer.fates[0], (std::pair{11U, DatagramFate::kDropped}));
}

TEST(DatagramQueue, DropsNoFurtherOneForAProgramThatSendsWhenItHearsOfADrop) {
  ShortQueue queue;
  std::vector<DatagramOutcome> outcomes;
  queue.pair.client_observer.on_fate = [&](Connection& connection) {
    ASSERT_LT(outcomes.size(), 10U);
    for (const auto policy : {DatagramPolicy::kDropOldest, DatagramPolicy::kBlock}) {
      outcomes.push_back(connection.send_datagram(bytes_of("again"), {.policy = policy, .fate_context = 7}));
    }
  };
  for (std::uint32_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(queue.send(std::to_string(i), {.policy = DatagramPolicy::kDropOldest, .fate_context = i}),
              DatagramOutcome::kQueued);
  }
  EXPECT_EQ(outcomes, (std::vector{DatagramOutcome::kDropped, DatagramOutcome::kBlocked}));
  queue.pair.client_observer.on_fate = nullptr;
  queue.pair.advance(1s);
  EXPECT_EQ(queue.pair.server_observer.datagrams, (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(queue.pair.client_observer.datagrams_writable, 1);
}

TEST(DatagramQueue, DropsWhatHasExpired) {
  ShortQueue queue;
  EXPECT_EQ(queue.send("late", {.expires_after = 1ms, .fate_context = 5}), DatagramOutcome::kQueued);
  queue.pair.now += 2ms;
  queue.pair.advance(1s);
  EXPECT_TRUE(queue.pair.server_observer.datagrams.empty());
  ASSERT_EQ(queue.pair.client_observer.fates.size(), 1U);
  EXPECT_EQ(queue.pair.client_observer.fates[0], (std::pair{5U, DatagramFate::kDropped}));
}

TEST(DatagramQueue, TellsOfAnAcknowledgedDatagramThatAskedForIt) {
  ShortQueue queue;
  EXPECT_EQ(queue.send("told", {.fate_context = 0xffffffff}), DatagramOutcome::kQueued);
  EXPECT_EQ(queue.send("untold", {}), DatagramOutcome::kQueued);
  queue.pair.advance(1s);
  ASSERT_EQ(queue.pair.client_observer.fates.size(), 1U);
  EXPECT_EQ(queue.pair.client_observer.fates[0], (std::pair{0xffffffffU, DatagramFate::kAcknowledged}));
}

}  // namespace
}  // namespace knul::quic
