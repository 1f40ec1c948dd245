#include "posix/clock_state.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace knul::posix {
namespace {

TEST(ClockState, HasTheTimeOfTheCalendar) {
  const std::time_t before = std::time(nullptr);
  const ClockState state = clock_state();
  EXPECT_GE(state.unix_seconds, before - 1);
  EXPECT_LE(state.unix_seconds, std::time(nullptr) + 1);
}

TEST(ClockState, IsSynchronizedOnlyWhereTheKernelKnows) {
  const ClockState state = clock_state();
  EXPECT_TRUE(state.is_known || !state.is_synchronized);
}

}  // namespace
}  // namespace knul::posix
