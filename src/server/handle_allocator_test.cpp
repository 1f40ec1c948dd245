#include "server/handle_allocator.hpp"

#include <gtest/gtest.h>

#include <set>

namespace knul::server {
namespace {

TEST(HandleAllocator, GivesDistinctHandlesThatAreNeverZeroUntilItIsFull) {
  HandleAllocator allocator;
  std::set<std::uint64_t> given;
  for (std::size_t i = 0; i < HandleAllocator::kCapacity; ++i) {
    const auto handle = allocator.allocate();
    ASSERT_TRUE(handle.has_value());
    EXPECT_NE(*handle, 0U);
    EXPECT_TRUE(given.insert(*handle).second);
  }
  EXPECT_FALSE(allocator.allocate().has_value());
}

TEST(HandleAllocator, NeverGivesAHandleTwiceAlthoughSlotsAreUsedAgain) {
  HandleAllocator allocator;
  std::set<std::uint64_t> given;
  std::set<std::size_t> slots;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t handle = allocator.allocate().value();
    EXPECT_TRUE(given.insert(handle).second);
    slots.insert(HandleAllocator::index_of(handle));
    allocator.release(handle);
  }
  EXPECT_EQ(slots.size(), 1U);
}

TEST(HandleAllocator, RetiresASlotWhoseGenerationsAreUsedUp) {
  HandleAllocator allocator(HandleAllocator::kMaxGeneration);
  for (std::size_t i = 0; i < HandleAllocator::kCapacity; ++i) {
    const std::uint64_t last = allocator.allocate().value();
    EXPECT_LT(last, std::uint64_t{1} << 53);
    allocator.release(last);
  }
  EXPECT_FALSE(allocator.allocate().has_value());
}

}  // namespace
}  // namespace knul::server
