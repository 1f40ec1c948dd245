#include "quic/memory/common_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

namespace knul::quic {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string common(std::string_view one, std::string_view other) {
  const std::vector<std::uint8_t> bytes = common_bytes(bytes_of(one), bytes_of(other));
  return {bytes.begin(), bytes.end()};
}

TEST(CommonBytes, AreThoseOfTheSecondThatStandAnywhereInTheFirst) {
  EXPECT_EQ(common("< the same words, twice>", "[twice the same words]"), " the same words");
  EXPECT_EQ(common("abcdefghij--ABCDEFGH", "ABCDEFGH..abcdefghij"), "ABCDEFGHabcdefghij");
}

TEST(CommonBytes, AreAllOfTwoThatAreEqual) { EXPECT_EQ(common("0123456789", "0123456789"), "0123456789"); }

TEST(CommonBytes, AreAtLeastEightInARow) {
  EXPECT_EQ(common("x1234567y", "a1234567b"), "");
  EXPECT_EQ(common("x12345678y", "a12345678b"), "12345678");
  EXPECT_EQ(common("1234567", "1234567"), "");
  EXPECT_EQ(common("", "12345678"), "");
  EXPECT_EQ(common("12345678", ""), "");
}

TEST(CommonBytes, HoldNoPieceOfAKey) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto key = [&random] {
    std::string made(32, '\0');
    std::ranges::generate(made, [&random] { return static_cast<char>(random()); });
    return made;
  };
  const std::string mine = key();
  const std::string found = common("header of a connection" + key() + "its settings",
                                   "header of a connection" + mine + "its settings");
  // Both keys may begin or end with equal bytes by chance.
  const std::size_t around_it = std::string_view("header of a connectionits settings").size();
  EXPECT_GE(found.size(), around_it);
  EXPECT_LT(found.size(), around_it + kShortestCommonBytes);
  for (std::size_t at = 0; at + kShortestCommonBytes <= mine.size(); ++at)
    EXPECT_EQ(found.find(mine.substr(at, kShortestCommonBytes)), std::string::npos) << at;
}

}  // namespace
}  // namespace knul::quic
