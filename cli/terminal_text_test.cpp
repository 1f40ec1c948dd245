#include "cli/terminal_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace knul::cli {
namespace {

TEST(Escaped, LeavesNoByteThatATerminalObeys) {
  EXPECT_EQ(escaped("a b~", 80), "a b~");
  EXPECT_EQ(escaped("\x1b[2J\r\n\x7f", 80), "\\x1b[2J\\x0d\\x0a\\x7f");
  EXPECT_EQ(escaped("\xc2\x9b\\", 80), "\\xc2\\x9b\\\\");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
  }
  EXPECT_TRUE(std::ranges::all_of(escaped(all, 10'000), [](char c) { return c >= ' ' && c <= '~'; }));
}

TEST(Escaped, IsNeverLongerThanAllowed) {
  EXPECT_EQ(escaped("abcdef", 6), "abcdef");
  EXPECT_EQ(escaped("abcdefg", 6), "abc...");
  EXPECT_EQ(escaped(std::string(1'000, '\n'), 20).size(), 20U);
  EXPECT_EQ(escaped("abcdefg", 2), "..");
}

TEST(Fitted, HasTheWidth) {
  EXPECT_EQ(fitted("abc", 5), "abc  ");
  EXPECT_EQ(fitted("abc", 5, Align::kRight), "  abc");
  EXPECT_EQ(fitted("abcdef", 5), "abcd~");
  EXPECT_EQ(fitted("abc", 0), "");
}

TEST(FittedInMiddle, KeepsTheEnd) {
  EXPECT_EQ(fitted_in_middle("[2001:db8::1]:65535", 11), "[2001~65535");
  EXPECT_EQ(fitted_in_middle("ab", 4), "ab  ");
  EXPECT_EQ(fitted_in_middle("abcdef", 2), "a~");
}

}  // namespace
}  // namespace knul::cli
