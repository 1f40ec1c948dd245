#include "base/text.hpp"

#include <gtest/gtest.h>

namespace knul::base {
namespace {

TEST(Text, QuotesAForeignTextWithoutControlCharacters) {
  EXPECT_EQ(quoted("example.org"), "\"example.org\"");
  EXPECT_EQ(quoted("a\nb\r\x1b[2J\x7f"), "\"a\\x0ab\\x0d\\x1b[2J\\x7f\"");
  EXPECT_EQ(quoted("\xc2\x85\xe2\x80\xa8"), "\"\\xc2\\x85\\xe2\\x80\\xa8\"");
  EXPECT_EQ(quoted(std::string_view("\0", 1)), "\"\\x00\"");
}

TEST(Text, QuotesQuotesAndBackslashes) { EXPECT_EQ(quoted("\"\\x0a"), "\"\\\"\\\\x0a\""); }

TEST(Text, WritesACodeInHexadecimalAndDecimal) {
  EXPECT_EQ(code_text(0), "0x0 (0)");
  EXPECT_EQ(code_text(0x178), "0x178 (376)");
  EXPECT_EQ(code_text(~std::uint64_t{0}), "0xffffffffffffffff (18446744073709551615)");
}

TEST(Text, ShowsEachByteAsTwoHexadecimalDigits) {
  const std::vector<std::uint8_t> bytes = {0x00, 0x0a, 0xff};
  EXPECT_EQ(hexadecimal(bytes), "000aff");
  EXPECT_EQ(hexadecimal({}), "");
}

}  // namespace
}  // namespace knul::base
