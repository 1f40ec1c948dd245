// Where there is no memory for a stream, its connection ends or goes on as if it had not been asked.
#include <new>
#include <vector>

#include <gtest/gtest.h>

#include "quic/endpoint_pair_test_support.hpp"
#include "quic/scarce_heap_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

// Runs `work`, in which the allocation after `successes` others fails. False: there was none.
template <class Work>
bool fails_once(std::size_t successes, Work work) {
  scarce_heap = {.successes_left = successes, .failures_left = 1};
  work();
  const bool has_failed = scarce_heap.failures_left == 0;
  scarce_heap = {};
  return has_failed;
}

TEST(StreamMemory, EndsTheConnectionOfAPeersStreamThatFindsNone) {
  std::size_t failures = 0;
  for (bool has_failed = true; has_failed; failures += has_failed ? 1 : 0) {
    SCOPED_TRACE(failures);
    EndpointPair pair;
    pair.shake_hands();
    pair.client_connection().write_copy(**pair.client_connection().open_stream(false), bytes_of("x"), false);
    const std::vector<std::uint8_t> packet = pair.intercept();
    ASSERT_FALSE(packet.empty());
    const base::Path path{EndpointPair::path().remote, EndpointPair::path().local};

    has_failed = fails_once(failures, [&] {
      std::ignore = pair.server->handle_datagram({path, base::Ecn::kNotEct, packet}, pair.now);
    });
    pair.advance(1s);
    if (pair.server_observer.closed.empty()) {
      EXPECT_FALSE(has_failed);
      EXPECT_EQ(pair.server_observer.received.begin()->second, "x");
    } else {
      EXPECT_TRUE(has_failed);
      EXPECT_EQ(pair.server_counters.streams_active.load(), 0U);
      EXPECT_EQ(pair.server_counters.connections_active.load(), 0U);
    }
  }
  EXPECT_GE(failures, 2U) << "the table of streams, and the stream";
}

TEST(StreamMemory, LetsAProgramAskAgain) {
  std::size_t failures = 0;
  for (bool has_failed = true; has_failed; failures += has_failed ? 1 : 0) {
    SCOPED_TRACE(failures);
    EndpointPair pair;
    pair.shake_hands();
    has_failed = fails_once(failures, [&] {
      try {
        std::ignore = pair.client_connection().open_stream(true);
      } catch (const std::bad_alloc&) {
      }
    });
    const std::size_t opened = has_failed ? 0 : 1;
    EXPECT_EQ(pair.client_connection().stream_count(), opened);
    EXPECT_EQ(pair.client_counters.streams_active.load(), opened);
    auto stream = pair.client_connection().open_stream(true);
    ASSERT_TRUE(stream);
    pair.client_connection().write_copy(**stream, bytes_of("after all"), true);
    pair.advance(1s);
    EXPECT_EQ(pair.server_observer.received[(*stream)->id], "after all");
    EXPECT_TRUE(pair.client_observer.closed.empty());
  }
  EXPECT_GE(failures, 2U);
}

}  // namespace
}  // namespace knul::quic
