#include "server/pinned_slots.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace knul::server {
namespace {

constexpr std::uint64_t kAlive = 0x616c697665;

struct Occupant {
  explicit Occupant(std::uint64_t named) : name(named) {}
  ~Occupant() { life.store(0); }
  std::atomic<std::uint64_t> life{kAlive};
  std::uint64_t name;
};

using Slots = PinnedSlots<Occupant>;

std::uint64_t insert(Slots& slots, std::uint64_t name) {
  auto occupant = std::make_unique<Occupant>(name);
  return slots.insert(occupant).value();
}

// Finds the handle and unpins it.
bool has(Slots& slots, std::uint64_t handle) {
  const auto found = slots.find(handle);
  if (found.occupant == nullptr) {
    return false;
  }
  Slots::unpin(*found.count);
  return true;
}

TEST(PinnedSlots, FindsTheOccupantOfAHandle) {
  Slots slots;
  insert(slots, 1);
  const std::uint64_t second = insert(slots, 2);
  const auto found = slots.find(second);
  ASSERT_NE(found.occupant, nullptr);
  EXPECT_EQ(found.occupant->name, 2U);
  Slots::unpin(*found.count);
}

TEST(PinnedSlots, FindsNothingForHandlesThatWereNeverGiven) {
  Slots slots;
  EXPECT_FALSE(has(slots, 0));
  const std::uint64_t handle = insert(slots, 1);
  for (const std::uint64_t wrong :
       {std::uint64_t{0}, handle + 1, handle - 1, handle + HandleAllocator::kCapacity,
        handle | std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    EXPECT_FALSE(has(slots, wrong)) << wrong;
    EXPECT_EQ(slots.take(wrong), nullptr) << wrong;
  }
  EXPECT_TRUE(has(slots, handle));
}

TEST(PinnedSlots, DoesNotFindASlotByItsFormerHandle) {
  Slots slots;
  const std::uint64_t former = insert(slots, 1);
  ASSERT_NE(slots.take(former), nullptr);
  EXPECT_FALSE(has(slots, 0));
  const std::uint64_t present = insert(slots, 2);
  ASSERT_EQ(HandleAllocator::index_of(former), HandleAllocator::index_of(present));
  EXPECT_FALSE(has(slots, former));
  EXPECT_TRUE(has(slots, present));
}

TEST(PinnedSlots, RefusesWhenFullAndLeavesTheOccupantWithItsOwner) {
  Slots slots;
  for (std::size_t i = 0; i < HandleAllocator::kCapacity; ++i) {
    insert(slots, i);
  }
  auto one_too_many = std::make_unique<Occupant>(0);
  EXPECT_FALSE(slots.insert(one_too_many).has_value());
  EXPECT_NE(one_too_many, nullptr);
}

TEST(PinnedSlots, TakeWaitsUntilTheLastPinIsDropped) {
  Slots slots;
  const std::uint64_t handle = insert(slots, 1);
  const auto pin = slots.find(handle);
  std::atomic<bool> is_taken = false;
  std::thread taker([&] {
    const auto occupant = slots.take(handle);
    is_taken = true;
  });
  while (has(slots, handle)) {  // until the taker has closed the slot
    std::this_thread::yield();
  }
  EXPECT_FALSE(is_taken);
  EXPECT_EQ(pin.occupant->life.load(), kAlive);
  Slots::unpin(*pin.count);
  taker.join();
  EXPECT_TRUE(is_taken);
}

TEST(PinnedSlots, GivesTheOccupantToExactlyOneOfManyTakers) {
  Slots slots;
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t handle = insert(slots, 1);
    std::atomic<int> winners = 0;
    std::vector<std::thread> takers;
    for (int i = 0; i < 8; ++i) {
      takers.emplace_back([&] { winners += slots.take(handle) != nullptr ? 1 : 0; });
    }
    for (auto& taker : takers) {
      taker.join();
    }
    EXPECT_EQ(winners, 1);
  }
}

// Finders read while one owner replaces: no finder ever sees a destroyed or wrong occupant.
TEST(PinnedSlots, ShowsOnlyLivingOccupantsWhileTheyAreReplaced) {
  Slots slots;
  std::atomic<std::uint64_t> current = insert(slots, 0);
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> seen = 0;
  std::atomic<std::uint64_t> wrong = 0;
  std::vector<std::thread> finders;
  for (int i = 0; i < 8; ++i) {
    finders.emplace_back([&] {
      while (!is_over) {
        const auto found = slots.find(current);
        if (found.occupant != nullptr) {
          wrong += found.occupant->life.load() != kAlive ? 1 : 0;
          ++seen;
          Slots::unpin(*found.count);
        }
      }
    });
  }
  for (std::uint64_t i = 1; i < 500 || seen < 1'000; ++i) {
    const std::uint64_t former = current;
    current = insert(slots, i);
    slots.take(former);
  }
  is_over = true;
  for (auto& finder : finders) {
    finder.join();
  }
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace knul::server
