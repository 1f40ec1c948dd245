#include "cli/quantity.hpp"

#include <gtest/gtest.h>

namespace knul::cli {
namespace {

TEST(ParseBytes, ReadsPlainNumbersAndSuffixes) {
  EXPECT_EQ(parse_bytes("0"), 0U);
  EXPECT_EQ(parse_bytes("1500"), 1'500U);
  EXPECT_EQ(parse_bytes("64K"), 65'536U);
  EXPECT_EQ(parse_bytes("64k"), 65'536U);
  EXPECT_EQ(parse_bytes("1.5M"), 1'572'864U);
  EXPECT_EQ(parse_bytes("10GiB"), 10'737'418'240U);
  EXPECT_EQ(parse_bytes("7B"), 7U);
}

TEST(ParseBytes, RefusesEverythingElse) {
  for (const char* const text : {"", "x", "-1", "1KK", "1 K", "1e3", "5000000T", "nan", "inf", "1Ki", "0x10",
                                 "1.5", "1.5B", "-0", "+5", " 5"}) {
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
  }
}

TEST(FormatBytes, KeepsThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bytes(12ULL << 30), "12.0 GiB");
}

TEST(FormatCount, KeepsThreeDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(950), "950");
  EXPECT_EQ(format_count(12'345), "12.3k");
  EXPECT_EQ(format_count(4'560'000), "4.56M");
  EXPECT_LT(format_count(1e200).size(), 64U) << "cut, and nothing behind the buffer";
  EXPECT_EQ(format_count(999'900), "1.00M");
}

TEST(FormatBitRate, ChoosesTheUnit) {
  EXPECT_EQ(format_bit_rate(0), "0 bit/s");
  EXPECT_EQ(format_bit_rate(62'300), "62.3 kbit/s");
  EXPECT_EQ(format_bit_rate(1.2e9), "1.20 Gbit/s");
}

TEST(FormatDuration, ChoosesTheUnit) {
  EXPECT_EQ(format_duration(850e-9), "850 ns");
  EXPECT_EQ(format_duration(12.3e-6), "12.3 us");
  EXPECT_EQ(format_duration(4.56e-3), "4.56 ms");
  EXPECT_EQ(format_duration(1.5), "1.50 s");
}

TEST(FormatShortDuration, HasAtMostFiveCharacters) {
  EXPECT_EQ(format_short_duration(0), "0");
  EXPECT_EQ(format_short_duration(-1), "0");
  EXPECT_EQ(format_short_duration(850e-6), "850us");
  EXPECT_EQ(format_short_duration(0.0012), "1.2ms");
  EXPECT_EQ(format_short_duration(0.123), "123ms");
  EXPECT_EQ(format_short_duration(12.34), "12.3s");
  EXPECT_EQ(format_short_duration(59.99), "1m00s");
  EXPECT_EQ(format_short_duration(312), "5m12s");
  EXPECT_EQ(format_short_duration(3'599), "59m");
  EXPECT_EQ(format_short_duration(3 * 3'600 + 12 * 60), "3h12m");
  EXPECT_EQ(format_short_duration(9.0 * 86'400 + 23 * 3'600), "9d23h");
  EXPECT_EQ(format_short_duration(120.0 * 86'400), "120d");
  for (double seconds = 1e-7; seconds < 1e30; seconds *= 1.01) {
    ASSERT_LE(format_short_duration(seconds).size(), 5U) << seconds;
  }
}

}  // namespace
}  // namespace knul::cli
