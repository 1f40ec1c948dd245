#include "quic/stream/receive_window.hpp"

#include <gtest/gtest.h>

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kInitial = 1'000'000;
constexpr std::uint64_t kMost = 64'000'000;
constexpr base::Instant kBegin{1h};
constexpr base::Duration kRoundTrip = 100ms;

// A program that consumes each packet as it arrives.
struct Reader {
  ReceiveWindow window{kInitial, kBegin};
  base::Instant now = kBegin;
  std::uint64_t used = 0;
  std::uint64_t returned = 0;
  unsigned returns = 0;

  void read(std::uint64_t bytes, base::Duration over, std::uint64_t most = kMost, bool is_short = false) {
    constexpr std::uint64_t kPacket = 1'000;
    const base::Duration step = over / (bytes / kPacket);
    for (std::uint64_t done = 0; done < bytes; done += kPacket) {
      now += step;
      used += kPacket;
      if (window.consume(kPacket)) {
        returned += window.take_credit({now, kRoundTrip, most, is_short});
        ++returns;
      }
    }
  }
};

TEST(ReceiveWindow, GivesCreditByQuarters) {
  Reader reader;
  reader.read(10 * kInitial, 100s);
  EXPECT_LE(reader.returns, 40U);
  EXPECT_LE(reader.used - reader.returned, kInitial / 4);
}

TEST(ReceiveWindow, DoublesWhenAQuarterIsUsedWithinARoundTrip) {
  Reader reader;
  reader.read(kInitial / 4 + 1'000, kRoundTrip);
  EXPECT_EQ(reader.window.bytes(), 2 * kInitial);
  EXPECT_GT(reader.returned, reader.used);
}

TEST(ReceiveWindow, StaysAsItIsWhenItIsUsedMoreSlowly) {
  Reader reader;
  reader.read(10 * kInitial, 45 * kRoundTrip);
  EXPECT_EQ(reader.window.bytes(), kInitial);
}

TEST(ReceiveWindow, ComesToRestAtAFewTimesWhatThePathCarries) {
  Reader reader;
  reader.read(100 * kInitial, 100 * kRoundTrip);
  EXPECT_GE(reader.window.bytes(), 4 * kInitial);
  EXPECT_LT(reader.window.bytes(), 8 * kInitial);
}

TEST(ReceiveWindow, GrowsNoFurtherThanItMay) {
  Reader reader;
  reader.read(100 * kInitial, kRoundTrip, 3 * kInitial);
  EXPECT_EQ(reader.window.bytes(), 3 * kInitial);
  EXPECT_EQ(reader.window.beyond_initial_bytes(), 2 * kInitial);
}

TEST(ReceiveWindow, CountsMillisecondsWhereTheRoundTripIsShort) {
  ReceiveWindow window(kInitial, kBegin);
  EXPECT_TRUE(window.consume(kInitial / 2));
  const base::Instant now = kBegin + ReceiveWindow::kShortestRoundTrip;
  EXPECT_EQ(window.take_credit({now, 50us, kMost}), kInitial / 2 + kInitial);
}

TEST(ReceiveWindow, ShrinksToWhatItWasAtFirstWhenMemoryIsShortAndItsUseSlow) {
  Reader reader;
  reader.read(200 * kInitial, kRoundTrip);
  ASSERT_EQ(reader.window.bytes(), kMost);
  reader.read(200 * kInitial, 10'000s, kMost, true);
  EXPECT_EQ(reader.window.bytes(), kInitial);
  EXPECT_LE(reader.returned, reader.used);
  EXPECT_LE(reader.used - reader.returned, kInitial / 4);
}

TEST(ReceiveWindow, KeepsItsSizeWhenMemoryIsShortAndItsUseFast) {
  Reader reader;
  reader.read(200 * kInitial, kRoundTrip);
  reader.read(200 * kInitial, kRoundTrip, 0, true);
  EXPECT_EQ(reader.window.bytes(), kMost);
}

TEST(ReceiveBudget, IsShortInItsLastQuarter) {
  EXPECT_FALSE((ReceiveBudget{100, 75, 1}.is_short()));
  EXPECT_TRUE((ReceiveBudget{100, 76, 1}.is_short()));
  EXPECT_EQ((ReceiveBudget{100, 120, 1}.left_bytes()), 0U);
}

TEST(ReceiveBudget, LetsAConnectionGrowUntilItHasAsMuchAsIsLeft) {
  EXPECT_EQ((ReceiveBudget{100, 0, 1}.share_of(0, 0).room_bytes), 50U);
  EXPECT_EQ((ReceiveBudget{100, 50, 1}.share_of(50, 50).room_bytes), 0U);
  EXPECT_EQ((ReceiveBudget{100, 50, 1}.share_of(0, 0).room_bytes), 25U);
}

TEST(ReceiveBudget, LetsAConnectionGrowToAPartOfWhatIsLeft) {
  EXPECT_EQ((ReceiveBudget{1'000, 0, 4}.share_of(0, 0).room_bytes), 200U) << "and 800 are left";
  EXPECT_EQ((ReceiveBudget{1'000, 200, 4}.share_of(200, 200).room_bytes), 0U);
  EXPECT_FALSE((ReceiveBudget{1'000, 600, 4}.share_of(201, 201).is_exceeded));
  EXPECT_TRUE((ReceiveBudget{1'000, 600, 4}.share_of(202, 202).is_exceeded));
}

TEST(ReceiveBudget, LeavesAnEighthToOtherAddresses) {
  EXPECT_GT((ReceiveBudget{800, 696, 1}.share_of(0, 696).room_bytes), 0U);
  EXPECT_EQ((ReceiveBudget{800, 700, 1}.share_of(0, 700).room_bytes), 0U);
  EXPECT_EQ((ReceiveBudget{800, 700, 1}.share_of(0, 0).room_bytes), 50U);
}

TEST(ReceiveBudget, TakesBackFromWhoHasMoreThanTwiceWhatIsLeft) {
  EXPECT_FALSE((ReceiveBudget{100, 80, 1}.share_of(40, 40).is_exceeded));
  EXPECT_TRUE((ReceiveBudget{100, 81, 1}.share_of(40, 40).is_exceeded));
}

TEST(ReceiveWindow, ShrinksWhenItHasMoreThanItsShareHoweverFastItsUse) {
  ReceiveWindow window(kInitial, kBegin);
  EXPECT_TRUE(window.consume(kInitial));
  EXPECT_EQ(window.take_credit({kBegin, kRoundTrip, kMost}), 2 * kInitial);
  EXPECT_TRUE(window.consume(kInitial));
  EXPECT_EQ(window.take_credit({kBegin, kRoundTrip, kMost, false, true}), 0U);
  EXPECT_EQ(window.bytes(), kInitial);
}

}  // namespace
}  // namespace knul::quic
