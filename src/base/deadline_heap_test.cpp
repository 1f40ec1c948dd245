#include "base/deadline_heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace knul::base {
namespace {

struct Item : DeadlineHook {
  int id = 0;
};

Instant at(int milliseconds) { return Instant(std::chrono::milliseconds(milliseconds)); }

TEST(DeadlineHeap, GivesDueItemsSoonestFirst) {
  DeadlineHeap<Item> heap;
  std::vector<Item> items(3);
  heap.arm(items[0], at(30));
  heap.arm(items[1], at(10));
  heap.arm(items[2], at(20));
  EXPECT_EQ(heap.soonest(), at(10));
  EXPECT_EQ(heap.take_due(at(20)), &items[1]);
  EXPECT_EQ(heap.take_due(at(20)), &items[2]);
  EXPECT_EQ(heap.take_due(at(20)), nullptr);
  EXPECT_EQ(heap.soonest(), at(30));
}

TEST(DeadlineHeap, CancelsAnItemArmedForNever) {
  DeadlineHeap<Item> heap;
  Item item;
  heap.arm(item, at(1));
  heap.arm(item, kNever);
  EXPECT_EQ(heap.soonest(), kNever);
  EXPECT_FALSE(item.is_armed());
}

TEST(DeadlineHeap, GivesNothingBeforeADeadlineThatHasMovedFurther) {
  DeadlineHeap<Item> heap;
  std::vector<Item> items(100);
  for (Item& item : items) {
    heap.arm(item, at(10));
    heap.arm(item, at(20));
  }
  EXPECT_LE(heap.soonest(), at(20));
  EXPECT_EQ(heap.take_due(at(19)), nullptr);
  EXPECT_EQ(heap.soonest(), at(20));
  EXPECT_NE(heap.take_due(at(20)), nullptr);
}

TEST(DeadlineHeap, KnowsTheSoonestOfAFewThatHaveMoved) {
  DeadlineHeap<Item> heap;
  std::vector<Item> items(3);
  for (Item& item : items)
    heap.arm(item, at(10));
  heap.arm(items[0], at(30));
  heap.arm(items[1], at(20));
  heap.arm(items[2], at(40));
  EXPECT_EQ(heap.soonest(), at(20));
}

TEST(DeadlineHeap, FollowsADeadlineThatMovesNearerAgain) {
  DeadlineHeap<Item> heap;
  std::vector<Item> items(2);
  heap.arm(items[0], at(20));
  heap.arm(items[1], at(30));
  heap.arm(items[1], at(50));
  heap.arm(items[1], at(40));
  heap.arm(items[1], at(10));
  EXPECT_EQ(heap.soonest(), at(10));
  EXPECT_EQ(heap.take_due(at(20)), &items[1]);
  EXPECT_EQ(heap.take_due(at(20)), &items[0]);
}

TEST(DeadlineHeap, AgreesWithSortingAfterRandomArmsAndCancels) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  DeadlineHeap<Item> heap;
  std::vector<Item> items(200);
  for (int step = 0; step < 5'000; ++step) {
    Item& item = items[random() % items.size()];
    if (random() % 4 == 0) {
      heap.cancel(item);
    } else {
      heap.arm(item, at(static_cast<int>(random() % 1'000)));
    }
  }
  std::vector<Instant> expected;
  for (const Item& item : items) {
    if (item.is_armed())
      expected.push_back(item.deadline());
  }
  std::ranges::sort(expected);
  std::vector<Instant> given;
  for (int ms = 0; ms < 1'000; ++ms) {
    EXPECT_GE(heap.soonest(), at(ms));
    while (const Item* due = heap.take_due(at(ms))) {
      EXPECT_FALSE(due->is_armed());
      given.push_back(at(ms));
    }
  }
  EXPECT_EQ(heap.soonest(), kNever);
  EXPECT_EQ(given, expected);
}

}  // namespace
}  // namespace knul::base
