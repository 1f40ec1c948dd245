#include "posix/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace knul::posix {
namespace {

TEST(SystemRandom, FillsEveryByteOfEverySize) {
  SystemRandom random;
  for (const std::size_t size : {1U, 8U, 511U, 512U, 513U, 5'000U}) {
    // A byte that is never written would stay 0 in all of 20 fills.
    std::vector<std::uint8_t> seen(size, 0);
    for (int i = 0; i < 20; ++i) {
      std::vector<std::uint8_t> bytes(size, 0);
      random.fill(bytes);
      std::ranges::transform(seen, bytes, seen.begin(), [](auto a, auto b) { return a | b; });
    }
    EXPECT_EQ(std::ranges::count(seen, 0), 0) << size;
  }
}

TEST(SystemRandom, NeverHandsOutTheSameBytesTwice) {
  SystemRandom random;
  std::set<std::vector<std::uint8_t>> seen;
  for (int i = 0; i < 10'000; ++i) {
    std::vector<std::uint8_t> bytes(16);
    random.fill(bytes);
    EXPECT_TRUE(seen.insert(bytes).second);
  }
}

TEST(SystemRandom, TakesAnEmptyRequest) { SystemRandom{}.fill({}); }

}  // namespace
}  // namespace knul::posix
