#include "quic/datagram_queue.hpp"

#include <gtest/gtest.h>

#include "quic/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

// A connection whose queue of unsent datagrams holds two.
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
