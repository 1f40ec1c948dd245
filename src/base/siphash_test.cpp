#include "base/siphash.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>

namespace knul::base {
namespace {

TEST(SipHash, DependsOnEveryByteAndOnTheLength) {
  std::array<std::uint8_t, 20> bytes{};
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  std::set<std::uint64_t> seen;
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    seen.insert(siphash13({1, 2}, std::span(bytes).first(length)));
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 0x80;
    seen.insert(siphash13({1, 2}, bytes));
    bytes[i] ^= 0x80;
  }
  EXPECT_EQ(seen.size(), 21U + 20U);
}

// Reference values: CPython 3.11, whose hash of bytes is SipHash-1-3 with a zero key under PYTHONHASHSEED=0.
TEST(SipHash, AgreesWithAnIndependentImplementation) {
  const std::array<std::uint8_t, 10> text{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '1', '2'};
  std::array<std::uint8_t, 20> letters{};
  letters.fill('x');
  EXPECT_EQ(siphash13({0, 0}, text), 10502975921822671005U);
  EXPECT_EQ(siphash13({0, 0}, letters), 3641836881806154204U);
}

TEST(SipHash, DependsOnBothHalvesOfTheKey) {
  const std::array<std::uint8_t, 8> bytes{};
  EXPECT_NE(siphash13({0, 0}, bytes), siphash13({1, 0}, bytes));
  EXPECT_NE(siphash13({0, 0}, bytes), siphash13({0, 1}, bytes));
}

}  // namespace
}  // namespace knul::base
