#include "base/fair_share.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::base {
namespace {

constexpr std::uint64_t kWhole = 1'000'000;

TEST(FairShare, IsKeptByAConnectionThatTakesAllItsRoomAtOnce) {
  for (const std::uint64_t parts : {1, 2, 7, 32}) {
    for (std::uint64_t held = 0; held < kWhole; held += 997) {
      const std::uint64_t free = kWhole - held;
      const std::uint64_t room = fair_share::room_of_connection(free, held, parts);
      EXPECT_TRUE(room == 0 || held + room <= (free - room) / parts)
          << held << " held, " << parts << " parts";
      EXPECT_LT((free - room) / parts, held + room + 2) << "it takes all that it may";
    }
  }
}

TEST(FairShare, LeavesAsManyPartsFreeAsThoseThatTakeAllLeaveForALaterOne) {
  constexpr std::size_t kConnections = 10;
  for (const std::uint64_t parts : {std::uint64_t{1}, fair_share::kHalfOfFree, std::uint64_t{32}}) {
    std::vector<std::uint64_t> held(kConnections);
    std::uint64_t free = kWhole;
    for (int round = 0; round < 2'000; ++round) {  // pieces come and go
      for (std::uint64_t& bytes : held) {
        free += bytes / 4;
        bytes -= bytes / 4;
        const std::uint64_t room = fair_share::room_of_connection(free, bytes, parts);
        free -= room;
        bytes += room;
      }
    }
    EXPECT_NEAR(static_cast<double>(free), static_cast<double>(kWhole * parts / (kConnections + parts)),
                kWhole / 50.0)
        << parts << " parts";
  }
}

TEST(FairShare, GivesTheLastPieceToWhoHoldsNothing) {
  EXPECT_TRUE(fair_share::may_take_piece(1, 0, fair_share::kHalfOfFree));
  EXPECT_FALSE(fair_share::may_take_piece(1, 1, fair_share::kHalfOfFree));
  EXPECT_TRUE(fair_share::may_take_piece(2, 1, fair_share::kHalfOfFree));
}

}  // namespace
}  // namespace knul::base
