#include "quic/send_budget.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace knul::quic {
namespace {

constexpr std::uint64_t kAll = UINT64_MAX;

struct Shared {
  SendBudget budget{100, 10};
  SendBudget::Member holder, first, second, third;
  base::Instant now{};

  std::uint64_t take(SendBudget::Member& member, std::uint64_t wanted) {
    const std::uint64_t taken = std::min(wanted, budget.room_of(member));
    budget.take(member, taken);
    if (taken < wanted) {
      budget.wait(member);
    }
    return taken;
  }
  // The holder has all; the first and the second want all.
  void use_up_and_wait() {
    take(holder, 100);
    take(first, kAll);
    take(second, kAll);
  }
  SendBudget::Member* begin_turn() { return budget.begin_turn(now); }
  void begin_round() { now += SendBudget::kRound; }
};

TEST(SendBudget, GivesAllToOneWhileNobodyWaits) {
  Shared all;
  EXPECT_EQ(all.take(all.holder, kAll), 100U);
}

TEST(SendBudget, GivesNothingToOthersWhileSomebodyWaits) {
  Shared all;
  all.take(all.holder, 95);
  all.take(all.first, 10);
  all.budget.release(50);
  EXPECT_EQ(all.budget.room_of(all.holder), 0U);
  EXPECT_EQ(all.budget.room_of(all.first), 0U);
  EXPECT_EQ(all.budget.room_of(all.second), 0U);
}

TEST(SendBudget, GivesTurnsInTheOrderInWhichTheyBeganToWait) {
  Shared all;
  all.take(all.holder, kAll);
  all.take(all.first, kAll);
  all.take(all.second, kAll);
  all.take(all.first, kAll);
  for (SendBudget::Member* const expected : {&all.holder, &all.first, &all.second, &all.holder}) {
    EXPECT_EQ(all.begin_turn(), nullptr);
    all.budget.release(10);
    ASSERT_EQ(all.begin_turn(), expected);
    EXPECT_EQ(all.take(*expected, kAll), 10U);
  }
}

TEST(SendBudget, BeginsNoTurnForLessThanItsLeast) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, 1);
  all.budget.release(9);
  EXPECT_EQ(all.begin_turn(), nullptr);
  all.budget.release(1);
  EXPECT_EQ(all.begin_turn(), &all.first);
}

TEST(SendBudget, GivesAtMostFourTimesTheLeastAtOnce) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, kAll);
  all.budget.release(100);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.take(all.first, kAll), 100U);  // nobody else waits
  all.take(all.first, kAll);
  all.take(all.second, kAll);
  all.budget.release(100);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.take(all.first, kAll), 40U);
}

// Nobody is told of room that another was told of before, until a round later.
TEST(SendBudget, KeepsWhatItHasPromised) {
  Shared all;
  all.take(all.holder, 100);
  for (SendBudget::Member* const member : {&all.first, &all.second, &all.third}) {
    all.take(*member, kAll);
  }
  all.budget.release(60);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.begin_turn(), &all.second);
  EXPECT_EQ(all.begin_turn(), nullptr);
  EXPECT_EQ(all.budget.room_of(all.first), 40U);
  EXPECT_EQ(all.budget.room_of(all.second), 20U);
  EXPECT_EQ(all.take(all.second, 20), 20U);
  EXPECT_EQ(all.budget.next_round_at(), all.now + SendBudget::kRound);
  all.begin_round();
  EXPECT_EQ(all.begin_turn(), &all.third);
  EXPECT_EQ(all.budget.room_of(all.third), 40U);
  EXPECT_EQ(all.budget.next_round_at(), base::kNever);
}

TEST(SendBudget, KeepsItsPromiseWhenNobodyWaitsAnyMore) {
  Shared all;
  all.use_up_and_wait();
  all.budget.release(60);
  EXPECT_EQ(all.begin_turn(), &all.first);
  EXPECT_EQ(all.begin_turn(), &all.second);
  EXPECT_EQ(all.budget.room_of(all.third), 0U);
  EXPECT_EQ(all.take(all.first, kAll), 40U);
  EXPECT_EQ(all.take(all.second, kAll), 20U);
}

TEST(SendBudget, GivesToOthersWhatIsGivenUpOfATurn) {
  Shared all;
  all.use_up_and_wait();
  all.budget.release(45);
  EXPECT_EQ(all.begin_turn(), &all.first);
  all.take(all.first, 35);
  all.budget.wait(all.first);
  EXPECT_EQ(all.begin_turn(), &all.second);
  EXPECT_EQ(all.budget.room_of(all.second), 10U);
}

TEST(SendBudget, NeedsNoRoundWhileTooLittleIsFree) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, kAll);
  all.budget.release(9);
  EXPECT_EQ(all.budget.next_round_at(), base::kNever);
}

TEST(SendBudget, LeavesATurnToWhoWritesAfterTheNextBeganToWait) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, 1);
  all.budget.release(20);
  ASSERT_EQ(all.begin_turn(), &all.first);
  all.take(all.second, 30);
  all.budget.release(40);
  EXPECT_EQ(all.budget.room_of(all.first), 20U);
  EXPECT_EQ(all.take(all.first, 5), 5U);
  EXPECT_EQ(all.budget.room_of(all.first), 15U);
}

TEST(SendBudget, TakesWhatIsLeftOfATurnFromWhoWaitsAgain) {
  Shared all;
  all.take(all.holder, 100);
  all.take(all.first, 1);
  all.budget.release(20);
  ASSERT_EQ(all.begin_turn(), &all.first);
  all.budget.take(all.holder, 20);
  all.take(all.first, 1);
  all.budget.release(30);
  EXPECT_EQ(all.budget.room_of(all.first), 0U);
}

TEST(SendBudget, IsNotWaitedForByWhoIsGone) {
  Shared all;
  std::optional<SendBudget::Member> goner(std::in_place);
  all.take(all.holder, 95);
  all.take(*goner, 6);
  EXPECT_EQ(all.budget.room_of(all.first), 0U);
  goner.reset();
  all.budget.release(5);
  EXPECT_EQ(all.budget.room_of(all.first), 5U);
}

}  // namespace
}  // namespace knul::quic
