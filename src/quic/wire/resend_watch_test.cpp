#include "quic/wire/resend_watch.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

namespace knul::quic {
namespace {

TEST(ResendWatch, IsQuietWhileTheAcknowledgedPacketsHaveNoGap) {
  ResendWatch watch;
  EXPECT_FALSE(watch.may_resend());
  watch.note_ack(0, 0, 0);
  watch.note_ack(4, 3, 0);  // 1 to 4
  watch.note_ack(9, 9, 0);  // 0 to 9
  watch.note_ack(6, 1, 0);  // an earlier ACK that arrives late
  watch.note_ack(10, 0, 0);
  EXPECT_FALSE(watch.may_resend());
}

TEST(ResendWatch, SeesAGapBeforeTheFirstRange) {
  ResendWatch watch;
  watch.note_ack(3, 3, 0);
  watch.note_ack(7, 2, 0);  // 5 to 7, without 4
  EXPECT_TRUE(watch.may_resend());
}

TEST(ResendWatch, SeesThatTheFirstPacketIsMissing) {
  ResendWatch watch;
  watch.note_ack(1, 0, 0);
  EXPECT_TRUE(watch.may_resend());
}

TEST(ResendWatch, SeesAGapBetweenRangesAndARangeBelowZero) {
  for (const auto& [first_range, ranges] : {std::pair{0U, 1U}, {6U, 0U}}) {
    ResendWatch watch;
    watch.note_ack(5, first_range, ranges);
    EXPECT_TRUE(watch.may_resend());
  }
}

TEST(ResendWatch, FollowsFourThousandMillionPackets) {
  ResendWatch watch;
  watch.note_ack(UINT32_MAX - 2U, UINT32_MAX - 2U, 0);
  EXPECT_FALSE(watch.may_resend());
  watch.note_ack(UINT32_MAX - 1U, 0, 0);
  EXPECT_TRUE(watch.may_resend());
  for (const std::uint64_t largest : {std::uint64_t{UINT32_MAX}, (std::uint64_t{1} << 62) - 1}) {
    ResendWatch other;
    other.note_ack(largest, largest, 0);
    EXPECT_TRUE(other.may_resend());
  }
}

TEST(ResendWatch, StaysLoudAfterACause) {
  ResendWatch watch;
  watch.note_cause();
  watch.note_ack(5, 5, 0);
  EXPECT_TRUE(watch.may_resend());
}

// Whatever ACK frames a peer sends: while the watch is quiet, every packet below the largest acknowledged one
// is acknowledged, so none of them can count as lost.
TEST(ResendWatch, IsQuietOnlyIfEveryPacketBelowAnAcknowledgedOneIsAcknowledged) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int quiet = 0;
  for (int round = 0; round < 2'000; ++round) {
    ResendWatch watch;
    std::set<unsigned> acknowledged;
    unsigned next = 0;
    for (int frames = 0; frames < 6; ++frames) {
      const auto first = static_cast<unsigned>(random() % (random() % 8 == 0 ? 12 : next + 1));
      const auto largest = static_cast<unsigned>(first + random() % 4);
      watch.note_ack(largest, largest - first, random() % 16 == 0 ? 1 : 0);
      for (unsigned number = first; number <= largest; ++number) {
        acknowledged.insert(number);
      }
      next = *acknowledged.rbegin() + 1;
      if (!watch.may_resend()) {
        ++quiet;
        ASSERT_EQ(acknowledged.size(), next);
      }
    }
  }
  EXPECT_GT(quiet, 1'000);
}

}  // namespace
}  // namespace knul::quic
