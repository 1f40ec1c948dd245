#include "channel/write_budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::channel {
namespace {

constexpr std::uint64_t kLimit = 64 << 20;
constexpr std::uint64_t kAll = std::uint64_t{1} << 40;

TEST(WriteBudget, LeavesAsMuchAsOneConnectionHoldsToTheOthers) {
  WriteBudget budget(kLimit);
  EXPECT_EQ(budget.take(0, kAll, 0), kLimit / 2);
  EXPECT_EQ(budget.room_of(0), kLimit / 4);
}

TEST(WriteBudget, GivesAllThatWantMuchTheSameAndKeepsTheSameTwiceForNewcomers) {
  constexpr std::size_t kConnections = 20;
  WriteBudget budget(kLimit);
  std::vector<std::uint64_t> held(kConnections);
  for (int round = 0; round < 2'000; ++round) {  // pieces come and go
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
  EXPECT_GE(budget.room_of(0), kLimit / (kConnections + 2) - 500'000);
}

TEST(WriteBudget, RefusesNobodyItsFloor) {
  WriteBudget budget(kLimit);
  while (budget.room_of(0) > WriteBudget::kConnectionFloorBytes) {
    (void)budget.take(0, kAll, 0);  // another connection
  }
  for (int connection = 0; connection < 10'000; ++connection) {
    EXPECT_EQ(budget.take(0, kAll, 0), WriteBudget::kConnectionFloorBytes);
  }
  EXPECT_EQ(budget.take(WriteBudget::kConnectionFloorBytes, 100, 0), 0U);
  EXPECT_EQ(budget.take(WriteBudget::kConnectionFloorBytes, 100, 60), 60U);
}

}  // namespace
}  // namespace knul::channel
