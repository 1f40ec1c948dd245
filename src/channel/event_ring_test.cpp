#include "channel/event_ring.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace knul::channel {
namespace {

constexpr std::size_t kRecords = 4;

struct SmallRing {
  explicit SmallRing(std::uint32_t first = 0) : ring(memory.data(), kRecords, granules.data(), first) {
    *word(kTailOffset) = first;
    read_up_to(first);
  }
  std::uint32_t push(std::uint32_t value) {
    FfiEvent event{};
    event.value = value;
    return ring.push(event);
  }
  std::uint32_t* word(std::size_t offset) { return reinterpret_cast<std::uint32_t*>(memory.data() + offset); }
  void read_up_to(std::uint32_t head) { *word(kHeadOffset) = head; }
  [[nodiscard]] FfiEvent record(std::uint32_t number) {
    FfiEvent event;
    std::memcpy(&event, memory.data() + kRingHeaderBytes + number % kRecords * kRecordBytes, sizeof event);
    return event;
  }

  alignas(64) std::array<std::uint8_t, kRingHeaderBytes + kRecords * kRecordBytes> memory{};
  std::array<std::atomic<std::uint8_t>, 4> granules{};
  EventRing ring;
};

TEST(EventRing, PublishesInOrderWhatFitsAndKeepsTheRest) {
  SmallRing small;
  for (std::uint32_t i = 0; i < 6; ++i) {
    small.push(i);
  }
  EXPECT_TRUE(small.ring.publish());
  EXPECT_EQ(*small.word(kTailOffset), kRecords);
  EXPECT_EQ(small.ring.backlog(), 2U);
  small.read_up_to(3);
  EXPECT_TRUE(small.ring.refresh_head());
  EXPECT_TRUE(small.ring.publish());
  EXPECT_EQ(*small.word(kTailOffset), 6U);
  EXPECT_EQ(small.record(5).value, 5U);
  EXPECT_EQ(small.record(5).sequence, 5U);
}

TEST(EventRing, FindsAnEventUntilItIsPublished) {
  SmallRing small;
  small.push(1);
  const std::uint32_t sequence = small.push(2);
  ASSERT_NE(small.ring.find_unpublished(sequence), nullptr);
  EXPECT_EQ(small.ring.find_unpublished(sequence)->value, 2U);
  small.ring.publish();
  EXPECT_EQ(small.ring.find_unpublished(sequence), nullptr);
  EXPECT_EQ(small.ring.find_unpublished(sequence + 1), nullptr);
}

TEST(EventRing, RefusesAHeadAheadOfTheTailAndOneThatGoesBack) {
  SmallRing small;
  small.push(1);
  small.push(2);
  small.ring.publish();
  small.read_up_to(3);
  EXPECT_FALSE(small.ring.refresh_head());
  small.read_up_to(2);
  EXPECT_TRUE(small.ring.refresh_head());
  small.read_up_to(1);
  EXPECT_FALSE(small.ring.refresh_head());
}

TEST(EventRing, SaysWhatTheProgramHasRead) {
  SmallRing small;
  const std::uint32_t first = small.push(1);
  const std::uint32_t second = small.push(2);
  small.ring.publish();
  small.read_up_to(1);
  EXPECT_TRUE(small.ring.has_moved());
  ASSERT_TRUE(small.ring.refresh_head());
  EXPECT_TRUE(small.ring.has_passed(first));
  EXPECT_FALSE(small.ring.has_passed(second));
}

TEST(EventRing, GoesOnWhenTheNumbersBeginAgain) {
  SmallRing small(~0U - 1);
  for (std::uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(small.push(i), ~0U - 1 + i);
  }
  EXPECT_TRUE(small.ring.publish());
  EXPECT_EQ(*small.word(kTailOffset), 2U);
  EXPECT_EQ(small.record(1).value, 3U);
  EXPECT_EQ(small.ring.find_unpublished(1), nullptr);
  ASSERT_NE(small.ring.find_unpublished(2), nullptr);
  EXPECT_EQ(small.ring.find_unpublished(2)->value, 4U);
  small.read_up_to(3);
  EXPECT_FALSE(small.ring.refresh_head());
  small.read_up_to(1);
  EXPECT_TRUE(small.ring.refresh_head());
  EXPECT_TRUE(small.ring.has_passed(~0U));
  EXPECT_TRUE(small.ring.has_passed(0));
  EXPECT_FALSE(small.ring.has_passed(1));
  small.read_up_to(~0U);
  EXPECT_FALSE(small.ring.refresh_head());
  EXPECT_TRUE(small.ring.publish());
  EXPECT_EQ(*small.word(kTailOffset), 4U);
  EXPECT_EQ(small.record(3).value, 5U);
}

TEST(EventRing, MarksTheRangeOfAnEventThatGoesOut) {
  SmallRing small;
  FfiEvent event{};
  event.offset = 2 * kGranuleBytes;
  event.length = 1;
  small.ring.push(event);
  EXPECT_EQ(small.granules[2].load(), 0);
  small.ring.publish();
  EXPECT_EQ(small.granules[2].load(), 1);
}

}  // namespace
}  // namespace knul::channel
