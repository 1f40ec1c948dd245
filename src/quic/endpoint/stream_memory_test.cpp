// Without memory for a stream its connection ends, or continues as if the stream had not been requested.
#include <new>
#include <vector>

#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/memory/scarce_heap_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

// Runs `work` and lets the allocation after `successes` others fail. False: none failed.
template <class Work>
bool fails_once(std::size_t successes, Work work) {
  scarce_heap = {.successes_left = successes, .failures_left = 1};
  work();
  const bool has_failed = scarce_heap.failures_left == 0;
  scarce_heap = {};
  return has_failed;
}

// Runs `attempt` with a new pair for each failing allocation, until none fails. Returns the number of
// failures.
template <class Attempt>
std::size_t let_each_fail(Attempt attempt) {
  std::size_t failures = 0;
  for (bool has_failed = true; has_failed && failures < 1'000; failures += has_failed ? 1 : 0) {
    SCOPED_TRACE(failures);
    EndpointPair pair;
    pair.shake_hands();
    has_failed = attempt(pair, failures);
  }
  return failures;
}

TEST(StreamMemory, EndsTheConnectionOfAPeersStreamThatFindsNone) {
  const std::size_t failures = let_each_fail([](EndpointPair& pair, std::size_t successes) {
    pair.client_connection().streams().write_copy(
        **pair.client_connection().streams().open(StreamDirection::kUnidirectional), bytes_of("x"), Fin::kNo);
    const std::vector<std::uint8_t> packet = pair.intercept();
    EXPECT_FALSE(packet.empty());
    const base::Path path{EndpointPair::path().remote, EndpointPair::path().local};

    const bool has_failed = fails_once(successes, [&] {
      std::ignore = pair.server->handle_datagram({path, base::Ecn::kNotEct, packet}, pair.now);
    });
    pair.advance(1s);
    EXPECT_EQ(pair.server_observer.closed.size(), has_failed ? 1U : 0U);
    if (has_failed) {
      EXPECT_EQ(pair.server_counters.streams_active.load(), 0U);
      EXPECT_EQ(pair.server_counters.connections_active.load(), 0U);
    } else {
      EXPECT_EQ(pair.server_observer.received.begin()->second, "x");
    }
    return has_failed;
  });
  EXPECT_GE(failures, 2U) << "the table of streams, and the stream";
  EXPECT_LT(failures, 1'000U);
}

TEST(StreamMemory, LetsAProgramAskAgain) {
  const std::size_t failures = let_each_fail([](EndpointPair& pair, std::size_t successes) {
    const bool has_failed = fails_once(successes, [&] {
      try {
        std::ignore = pair.client_connection().streams().open(StreamDirection::kBidirectional);
      } catch (const std::bad_alloc&) {
      }
    });
    const std::size_t opened = has_failed ? 0 : 1;
    EXPECT_EQ(pair.client_connection().streams().count(), opened);
    EXPECT_EQ(pair.client_counters.streams_active.load(), opened);
    Stream& stream = **pair.client_connection().streams().open(StreamDirection::kBidirectional);
    pair.client_connection().streams().write_copy(stream, bytes_of("after all"), Fin::kYes);
    const std::int64_t id = stream.id;
    pair.advance(1s);
    EXPECT_EQ(pair.server_observer.received[id], "after all");
    EXPECT_TRUE(pair.client_observer.closed.empty());
    return has_failed;
  });
  EXPECT_GE(failures, 2U);
  EXPECT_LT(failures, 1'000U);
}

}  // namespace
}  // namespace knul::quic
