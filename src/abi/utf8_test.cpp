#include "abi/utf8.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace knul::abi {
namespace {

template <std::size_t kSize = 64>
std::string copied(std::string_view text) {
  std::array<char, kSize> to;
  to.fill('x');
  copy_as_utf8(text, to);
  return to.data();
}

TEST(CopyAsUtf8, KeepsValidTextOfOneToFourByteCharacters) {
  EXPECT_EQ(copied("host \u00e9 \u20ac \U0001F600"), "host \u00e9 \u20ac \U0001F600");
}

TEST(CopyAsUtf8, ReplacesEachBadByteAndControlCharacter) {
  EXPECT_EQ(copied("a\xff"), "a?");
  EXPECT_EQ(copied("a\xc3"), "a?");               // cut short
  EXPECT_EQ(copied("\xc0\xaf"), "??");            // longer than needed
  EXPECT_EQ(copied("\xed\xa0\x80"), "???");       // a surrogate
  EXPECT_EQ(copied("\xf4\x90\x80\x80"), "????");  // above U+10FFFF
  EXPECT_EQ(copied(std::string_view("a\0\nb", 4)), "a??b");
}

TEST(CopyAsUtf8, CutsBetweenCharactersAndEndsWithANul) {
  EXPECT_EQ(copied<4>("abcdef"), "abc");
  EXPECT_EQ(copied<4>("ab\u00e9"), "ab");
  EXPECT_EQ(copied<1>("a"), "");
}

}  // namespace
}  // namespace knul::abi
