#include "cli/number.hpp"

#include <gtest/gtest.h>

namespace knul::cli {
namespace {

TEST(ParseWholeNumber, TakesDecimalDigitsOnly) {
  EXPECT_EQ(parse_whole_number("0"), 0U);
  EXPECT_EQ(parse_whole_number("010"), 10U);
  EXPECT_EQ(parse_whole_number("18446744073709551615"), 18'446'744'073'709'551'615U);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "1_0", "18446744073709551616"}) {
    EXPECT_EQ(parse_whole_number(text), std::nullopt) << text;
  }
}

TEST(ParseDecimal, TakesDigitsAndAPointOnly) {
  EXPECT_EQ(parse_decimal("0.25"), 0.25);
  EXPECT_EQ(parse_decimal("10"), 10.0);
  for (const char* text : {"", ".", "-1", "+1", "1e3", "inf", "nan", "0x1", "1.2.3", " 1"}) {
    EXPECT_EQ(parse_decimal(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace knul::cli
