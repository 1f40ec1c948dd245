#include "base/utc_text.hpp"

#include <gtest/gtest.h>

namespace knul::base {
namespace {

TEST(UtcText, WritesTheDateAndTimeOfUnixSeconds) {
  EXPECT_EQ(utc_text(0), "1970-01-01 00:00:00 UTC");
  EXPECT_EQ(utc_text(1'709'164'799), "2024-02-28 23:59:59 UTC");
  EXPECT_EQ(utc_text(1'709'164'800), "2024-02-29 00:00:00 UTC");
  EXPECT_EQ(utc_text(253'402'300'799), "9999-12-31 23:59:59 UTC");
}

}  // namespace
}  // namespace knul::base
