// Pacing (RFC 9002 §7.7) without a timer after the last packet.
#include <gtest/gtest.h>

#include "quic/slow_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBytes = 4'000;

// A server whose packets of kBytes are spread over about 10 ms.
struct PacedPair : SlowPair {
  PacedPair() : stream(*server_connection().open_stream(true)) {}
  // How many packets the server sends of another kBytes, now.
  std::uint64_t send() {
    server_connection().write_copy(*stream, std::vector<std::uint8_t>(kBytes, 1), false);
    return count_packets(*server);
  }
  Stream* stream;
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

TEST(Pacing, DoesNotMakeUpForTimeWithNothingToSend) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.travel();
  ASSERT_GT(pair.send(), 1U);
  EXPECT_EQ(pair.send(), 0U) << "half a second of silence is no credit";
}

}  // namespace
}  // namespace knul::quic
