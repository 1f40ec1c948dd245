#include "channel/write_budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::channel {
namespace {

constexpr std::uint64_t kLimit = 64 << 20;
constexpr std::uint64_t kAll = std::uint64_t{1} << 40;

TEST(WriteBudget, LeavesTwiceAsMuchFreeAsOneConnectionHolds) {
  WriteBudget budget(kLimit);
  EXPECT_EQ(budget.take(0, kAll, 0), kLimit / 3);
  EXPECT_EQ(budget.room_of(kLimit / 3), 0U);
  EXPECT_EQ(budget.room_of(0), (kLimit - kLimit / 3) / 3);
}

TEST(WriteBudget, GivesAllThatWantMuchTheSameAndKeepsTheSameTwiceForNewcomers) {
  constexpr std::size_t kConnections = 20;
  WriteBudget budget(kLimit);
  std::vector<std::uint64_t> held(kConnections);
  for (int round = 0; round < 2'000; ++round) {  // connections release and take pieces
    for (std::uint64_t& bytes : held) {
      const std::uint64_t given_back = bytes / 8;
      budget.release(given_back);
      bytes -= given_back;
      bytes += budget.take(bytes, kAll, 0);
    }
  }
  for (const std::uint64_t bytes : held) {
    EXPECT_NEAR(static_cast<double>(bytes), static_cast<double>(kLimit) / (kConnections + 2), 500'000);
  }
  EXPECT_GE(kLimit - budget.used_bytes(), 2 * kLimit / (kConnections + 2) - 500'000);
}

TEST(WriteBudget, RefusesNobodyItsFloor) {
  WriteBudget budget(kLimit);
  while (budget.room_of(0) > WriteBudget::kConnectionFloorBytes) {
    (void)budget.take(0, kAll, 0);  // each call is another connection
  }
  for (int connection = 0; connection < 10'000; ++connection) {
    EXPECT_EQ(budget.take(0, kAll, 0), WriteBudget::kConnectionFloorBytes);
  }
  EXPECT_EQ(budget.take(WriteBudget::kConnectionFloorBytes, 100, 0), 0U);
  EXPECT_EQ(budget.take(WriteBudget::kConnectionFloorBytes, 100, 60), 60U);
}

TEST(WriteBudget, AllowsAConnectionEightCongestionWindows) {
  WriteBudget budget(kLimit);
  WriteBudget::Usage usage;
  EXPECT_EQ(budget.room_of(usage), WriteBudget::kAllowanceBytes);
  usage.allowance = WriteBudget::allowance_of(14'720);  // the initial window of RFC 9002
  EXPECT_EQ(budget.room_of(usage), WriteBudget::kAllowanceBytes);
  usage.allowance = WriteBudget::allowance_of(1 << 20);
  EXPECT_EQ(budget.room_of(usage), 8U << 20);
  usage.allowance = WriteBudget::allowance_of(kLimit);
  EXPECT_EQ(budget.room_of(usage), kLimit / 3);
}

TEST(WriteBudget, HasRoomForEachStreamWhenOneHoldsAllThatItsConnectionMay) {
  WriteBudget budget(kLimit);
  WriteBudget::Usage usage{.of_connection = WriteBudget::kAllowanceBytes};
  EXPECT_EQ(budget.take(usage, kAll), WriteBudget::kStreamAllowanceBytes);
  usage.of_stream = WriteBudget::kStreamAllowanceBytes;
  usage.of_connection += WriteBudget::kStreamAllowanceBytes;
  EXPECT_EQ(budget.take(usage, kAll), 0U);
}

TEST(WriteBudget, PeersThatAcknowledgeNothingHoldLittleTogether) {
  constexpr std::uint64_t kConnections = 70, kStreams = 16;
  WriteBudget budget(256 << 20);
  std::uint64_t sum = 0;
  for (std::uint64_t connection = 0; connection < kConnections; ++connection) {
    std::uint64_t held = 0;
    for (std::uint64_t stream = 0; stream < kStreams; ++stream) {
      const std::uint64_t taken = budget.take({.of_connection = held}, kAll);
      EXPECT_GE(taken, WriteBudget::kStreamAllowanceBytes);
      held += taken;
    }
    sum += held;
  }
  EXPECT_LE(sum, 26U << 20);
}

TEST(WriteBudget, RefusesNoStreamItsFloor) {
  WriteBudget budget(1);
  const WriteBudget::Usage usage{.of_connection = 1 << 20, .of_stream = 100};
  EXPECT_EQ(budget.room_of(usage), WriteBudget::kStreamFloorBytes - 100);
  EXPECT_EQ(budget.take(usage, kAll), WriteBudget::kStreamFloorBytes - 100);
}

}  // namespace
}  // namespace knul::channel
