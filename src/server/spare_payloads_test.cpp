#include "server/spare_payloads.hpp"

#include <gtest/gtest.h>

namespace knul::server {
namespace {

TEST(SparePayloads, GivesWhatCameBackLast) {
  SparePayloads spares;
  EXPECT_EQ(spares.take().capacity(), 0U);
  for (const std::size_t size : {1'100U, 1'200U}) {
    std::vector<std::uint8_t> payload;
    payload.reserve(size);
    payload.push_back(1);
    spares.give(std::move(payload));
  }
  const std::vector<std::uint8_t> last = spares.take();
  EXPECT_TRUE(last.empty());
  EXPECT_EQ(last.capacity(), 1'200U);
  EXPECT_EQ(spares.take().capacity(), 1'100U);
  EXPECT_EQ(spares.take().capacity(), 0U);
}

TEST(SparePayloads, KeepsNeitherLargeOnesNorMoreThanItsNumber) {
  SparePayloads spares;
  spares.give(std::vector<std::uint8_t>(SparePayloads::kMostBytes + 1));
  EXPECT_EQ(spares.take().capacity(), 0U);
  for (std::size_t i = 0; i < SparePayloads::kMost + 10; ++i) {
    spares.give(std::vector<std::uint8_t>(100));
  }
  std::size_t kept = 0;
  while (spares.take().capacity() > 0) {
    ++kept;
  }
  EXPECT_EQ(kept, SparePayloads::kMost);
}

}  // namespace
}  // namespace knul::server
