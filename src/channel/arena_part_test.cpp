#include "channel/arena_part.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::channel {
namespace {

constexpr std::uint32_t kBlocks = 2;

struct SmallArena {
  ArenaPart::Placed add(Fill& fill, std::size_t count, std::uint32_t owner = 1) {
    return part.add_range(fill, owner, std::vector<std::uint8_t>(count, 7));
  }

  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kBlocks * kBlockBytes);
  std::vector<RangeOwner> owners = std::vector<RangeOwner>(bytes.size() / kGranuleBytes);
  ArenaPart part{bytes.data(), owners.data(), 0, kBlocks};
};

TEST(ArenaPart, StartsEachRangeAtAGranule) {
  SmallArena arena;
  Fill fill;
  ASSERT_TRUE(arena.part.open(fill));
  EXPECT_EQ(arena.add(fill, 10).offset % kGranuleBytes, 0U);
  EXPECT_EQ(arena.add(fill, 65).offset % kGranuleBytes, 0U);
  EXPECT_EQ(arena.add(fill, 1).offset % kBlockBytes, 3 * kGranuleBytes);
}

TEST(ArenaPart, CountsABlockForItsHolderUntilItIsFree) {
  SmallArena arena;
  std::uint32_t pinned = 0;
  Fill own;
  Fill shared;
  ASSERT_TRUE(arena.part.open(own, &pinned));
  ASSERT_TRUE(arena.part.open(shared));
  const std::uint32_t kept = arena.add(own, 1).offset;
  const std::uint32_t other = arena.add(shared, 1).offset;
  arena.part.close(own);
  EXPECT_EQ(pinned, 1U) << "a range is left";
  EXPECT_FALSE(arena.part.release(other).is_pinned);
  EXPECT_TRUE(arena.part.release(kept).is_pinned);
  EXPECT_EQ(pinned, 0U);
  Fill next;
  ASSERT_TRUE(arena.part.open(next));
  EXPECT_EQ(pinned, 0U) << "the block is for all now";
}

TEST(ArenaPart, ExtendsTheLastRangeOnly) {
  SmallArena arena;
  Fill fill;
  ASSERT_TRUE(arena.part.open(fill));
  const ArenaPart::Placed first = arena.add(fill, 10);
  const ArenaPart::Placed last = arena.add(fill, 10);
  const std::vector<std::uint8_t> more(100, 8);
  EXPECT_EQ(arena.part.extend_range(fill, first, more), 0U);
  EXPECT_EQ(arena.part.extend_range(fill, last, more), more.size());
  EXPECT_EQ(arena.bytes[last.offset + 10], 8);
  EXPECT_EQ(arena.part.release(last.offset).length, 110U);
}

TEST(ArenaPart, FreesABlockWhenItsRangesAreReleasedAndNobodyFillsIt) {
  SmallArena arena;
  Fill fill;
  ASSERT_TRUE(arena.part.open(fill));
  const ArenaPart::Placed one = arena.add(fill, 10);
  const ArenaPart::Placed two = arena.add(fill, 10);
  arena.part.close(fill);
  EXPECT_EQ(arena.part.release(one.offset).handle, 1U);
  EXPECT_EQ(arena.part.free_blocks(), kBlocks - 1);
  (void)arena.part.release(two.offset);
  EXPECT_EQ(arena.part.free_blocks(), kBlocks);
}

TEST(ArenaPart, FillsABlockFromItsStartAgainWhenAllWasReleased) {
  SmallArena arena;
  Fill fill;
  ASSERT_TRUE(arena.part.open(fill));
  const ArenaPart::Placed first = arena.add(fill, 1'000);
  (void)arena.part.release(first.offset);
  EXPECT_EQ(arena.part.room(fill), kBlockBytes);
  EXPECT_EQ(arena.add(fill, 10).offset, first.offset);
}

TEST(ArenaPart, TakesNoMoreThanTheBlockHolds) {
  SmallArena arena;
  Fill fill;
  ASSERT_TRUE(arena.part.open(fill));
  EXPECT_EQ(arena.add(fill, 2 * kBlockBytes).length, kBlockBytes);
  EXPECT_EQ(arena.part.room(fill), 0U);
}

TEST(ArenaPart, HasNoBlockWhenAllAreTaken) {
  SmallArena arena;
  Fill fills[kBlocks + 1];
  EXPECT_TRUE(arena.part.open(fills[0]));
  EXPECT_TRUE(arena.part.open(fills[1]));
  EXPECT_FALSE(arena.part.open(fills[2]));
  EXPECT_EQ(arena.part.free_bytes(), 0U);
}

TEST(ArenaPart, KnowsNothingOfARangeThatWasReleased) {
  SmallArena arena;
  Fill fill;
  ASSERT_TRUE(arena.part.open(fill));
  const ArenaPart::Placed range = arena.add(fill, 10);
  (void)arena.part.release(range.offset);
  EXPECT_EQ(arena.part.release(range.offset).length, 0U);
}

}  // namespace
}  // namespace knul::channel
