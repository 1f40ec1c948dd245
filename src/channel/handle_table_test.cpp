#include "channel/handle_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace knul::channel {
namespace {

TEST(HandleTable, FindsAnEntryFromPublishToRelease) {
  HandleTable table(2);
  Entry* const entry = table.allocate(0);
  const std::uint32_t handle = table.publish(*entry);
  EXPECT_EQ(table.find(handle), entry);
  table.release(*entry);
  EXPECT_EQ(table.find(handle), nullptr);
}

TEST(HandleTable, FindsNothingForHandlesThatWereNeverGiven) {
  HandleTable table(2);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(0x7fffffff), nullptr);
  (void)table.publish(*table.allocate(0));
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(5), nullptr);
}

TEST(HandleTable, GivesPositiveHandlesAndNoneAgainForALongTime) {
  HandleTable table(1);
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 300'000; ++i) {
    Entry* const entry = table.allocate(0);
    const std::uint32_t handle = table.publish(*entry);
    ASSERT_GT(handle, 0U);
    ASSERT_LT(handle, 0x80000000U);
    ASSERT_TRUE(seen.insert(handle).second) << "after " << i;
    table.release(*entry);
  }
}

TEST(HandleTable, GivesEachPartitionSlotsOfItsOwn) {
  HandleTable table(2);
  std::set<Entry*> seen;
  for (int i = 0; i < 3'000; ++i) {
    EXPECT_TRUE(seen.insert(table.allocate(static_cast<std::size_t>(i % 2))).second);
  }
}

TEST(HandleTable, HasNoMoreThanAMillionEntries) {
  HandleTable table(1);
  for (std::uint32_t i = 0; i < 1U << HandleTable::kSlotBits; ++i) {
    ASSERT_NE(table.allocate(0), nullptr);
  }
  EXPECT_EQ(table.allocate(0), nullptr);
}

}  // namespace
}  // namespace knul::channel
