#include "channel/receive_arena.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace knul::channel {
namespace {

constexpr std::uint32_t kBlocks = 32;

// A small arena with streams of one connection.
struct SmallArena {
  SmallArena() {
    state.handle = 1;
    stream.connection = &state;
    stream.handle = 2;
  }
  ReceiveArena::Placed add(std::size_t count) {
    const ReceiveArena::Placed range = arena.add(stream, std::vector<std::uint8_t>(count, 7));
    if (range.length > 0) {
      ReceiveArena::count(stream, range);
    }
    return range;
  }
  void release(std::uint32_t offset) { arena.count_released(stream, arena.release(offset)); }

  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kBlocks * kBlockBytes);
  std::vector<RangeOwner> owners = std::vector<RangeOwner>(bytes.size() / kGranuleBytes);
  ReceiveArena arena{ArenaPart(bytes.data(), owners.data(), 0, kBlocks)};
  ConnectionState state;
  StreamState stream;
};

TEST(ReceiveArena, GivesAStreamABlockOfItsOwnOnceFourRangesAreNotReleased) {
  SmallArena small;
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(small.add(1).is_shared);
  }
  EXPECT_FALSE(small.add(1).is_shared);
  EXPECT_FALSE(small.add(1).is_shared);
  EXPECT_EQ(small.state.pinned_blocks, 1U);
}

TEST(ReceiveArena, GivesAStreamABlockOfItsOwnBeyond8KiBThatAreNotReleased) {
  SmallArena small;
  EXPECT_TRUE(small.add(8 << 10).is_shared);
  EXPECT_TRUE(small.add(1).is_shared);
  EXPECT_FALSE(small.add(1).is_shared);
}

TEST(ReceiveArena, CountsNothingOnceAllIsReleased) {
  SmallArena small;
  std::vector<std::uint32_t> offsets;
  for (int i = 0; i < 10; ++i) {
    offsets.push_back(small.add(3'000).offset);
  }
  EXPECT_EQ(small.state.unreleased_bytes, 30'000U);
  EXPECT_GT(small.state.pinned_blocks, 0U);
  for (const std::uint32_t offset : offsets) {
    small.release(offset);
  }
  EXPECT_EQ(small.stream.unreleased_ranges, 0U);
  EXPECT_EQ(small.stream.unreleased_bytes + small.state.unreleased_bytes + small.state.shared_bytes, 0U);
  EXPECT_EQ(small.state.pinned_blocks, 0U);
}

TEST(ReceiveArena, HasNoRoomForAConnectionThatHoldsHalfOfWhatIsFree) {
  SmallArena small;
  std::size_t held = 0;
  while (const std::uint32_t taken = small.add(kBlockBytes).length) {
    held += taken;
  }
  EXPECT_NEAR(static_cast<double>(held), kBlocks * kBlockBytes / 3.0, 2.0 * kBlockBytes);
  EXPECT_FALSE(small.arena.may_hold_more(small.state));
  EXPECT_TRUE(small.arena.may_hold_more(ConnectionState{}));
}

TEST(ReceiveArena, ExtendsTheLastRangeAndCountsWhatIsAdded) {
  SmallArena small;
  const ReceiveArena::Placed range = small.add(10);
  const std::vector<std::uint8_t> more(5, 8);
  EXPECT_EQ(small.arena.extend(small.stream, range, more), 5U);
  EXPECT_EQ(small.bytes[range.offset + 10], 8);
  EXPECT_EQ(small.stream.unreleased_ranges, 1U);
  EXPECT_EQ(small.state.shared_bytes, 15U);
}

TEST(ReceiveArena, GivesIdentitiesAnEighthUntilTheyAreReleased) {
  SmallArena small;
  const std::vector<std::uint8_t> identity(kBlockBytes);
  const auto put = [&](ConnectionState& state) {
    FfiEvent event{};
    small.arena.put_identity(state, event, identity);
    return state.identity_offset.has_value();
  };
  std::vector<ConnectionState> states(kBlocks / 8 + 1);
  for (std::size_t i = 0; i < kBlocks / 8; ++i) {
    EXPECT_TRUE(put(states[i]));
  }
  EXPECT_FALSE(put(states.back()));
  const std::uint32_t offset = *states[0].identity_offset;
  small.arena.count_released(states[0], offset, small.arena.release(offset));
  EXPECT_FALSE(states[0].identity_offset.has_value());
  EXPECT_TRUE(put(states.back()));
}

TEST(ReceiveArena, PutsAllBytesOfAnEventOrNone) {
  SmallArena small;
  FfiEvent event{};
  EXPECT_FALSE(small.arena.put(small.state, event, std::vector<std::uint8_t>(kBlockBytes + 1)));
  EXPECT_FALSE(small.arena.put(small.state, event, {}));
  EXPECT_EQ(small.state.unreleased_ranges, 0U);
  EXPECT_TRUE(small.arena.put(small.state, event, std::vector<std::uint8_t>(kBlockBytes)));
  EXPECT_EQ(event.length, kBlockBytes);
  EXPECT_EQ(small.state.unreleased_ranges, 1U);
}

}  // namespace
}  // namespace knul::channel
