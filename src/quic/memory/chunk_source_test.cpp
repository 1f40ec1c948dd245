#include "quic/memory/chunk_source.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <set>

#include "quic/memory/scarce_pages_test_support.hpp"

namespace knul::quic {
namespace {

TEST(ChunkSource, GivesChunksOfEverySizeThatDoNotOverlap) {
  stats::Gauge kept;
  ChunkSource source(PoisoningPages::shared(), kept);
  std::map<std::uint8_t*, std::size_t> chunks;
  for (std::size_t bytes = ChunkSource::kSmallestBytes; bytes <= ChunkSource::kLargestBytes; bytes *= 2) {
    for (int i = 0; i < 3; ++i) {
      std::uint8_t* const chunk = source.take(bytes);
      ASSERT_NE(chunk, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(chunk) % base::PageSource::kPageBytes, 0U);
      EXPECT_TRUE(chunks.emplace(chunk, bytes).second);
    }
  }
  for (auto at = chunks.begin(); std::next(at) != chunks.end(); ++at)
    EXPECT_LE(at->first + at->second, std::next(at)->first);
}

TEST(ChunkSource, GivesTheSameChunksAgain) {
  ScarcePages pages;
  stats::Gauge kept;
  ChunkSource source(pages, kept);
  for (std::size_t bytes = ChunkSource::kSmallestBytes; bytes <= ChunkSource::kLargestBytes; bytes *= 2) {
    std::uint8_t* const chunk = source.take(bytes);
    source.release(chunk, bytes);
    EXPECT_EQ(source.take(bytes), chunk) << bytes;
  }
}

TEST(ChunkSource, UsesAllOfWhatItReserves) {
  ScarcePages pages;
  stats::Gauge kept;
  ChunkSource source(pages, kept);
  for (int i = 0; i < 1 + 2 + 4; ++i)
    EXPECT_NE(source.take(ChunkSource::kLargestBytes), nullptr);
  EXPECT_EQ(pages.held_bytes, 7 * ChunkSource::kLargestBytes);
}

TEST(ChunkSource, DiscardsAllButAFewSmallChunks) {
  ScarcePages pages;
  stats::Gauge kept;
  ChunkSource source(pages, kept);
  std::set<std::uint8_t*> chunks;
  for (std::size_t i = 0; i < ChunkSource::kWarmChunks + 3; ++i)
    chunks.insert(source.take(ChunkSource::kSmallestBytes));
  for (std::uint8_t* const chunk : chunks)
    source.release(chunk, ChunkSource::kSmallestBytes);
  EXPECT_EQ(pages.discarded_bytes, 3 * ChunkSource::kSmallestBytes);
  EXPECT_EQ(kept.load(), ChunkSource::kWarmChunks * ChunkSource::kSmallestBytes);
  source.release(source.take(ChunkSource::kLargestBytes), ChunkSource::kLargestBytes);
  EXPECT_EQ(pages.discarded_bytes, 3 * ChunkSource::kSmallestBytes + ChunkSource::kLargestBytes);
  for (std::size_t i = chunks.size(); i > 0; --i)
    EXPECT_EQ(chunks.erase(source.take(ChunkSource::kSmallestBytes)), 1U);
  EXPECT_EQ(kept.load(), 0U);
}

TEST(ChunkSource, IsNullUntilThereArePagesAgain) {
  ScarcePages pages;
  stats::Gauge kept;
  {
    ChunkSource source(pages, kept);
    pages.reservations = 0;
    EXPECT_EQ(source.take(ChunkSource::kSmallestBytes), nullptr);
    pages.reservations = 1;
    std::uint8_t* const all = source.take(ChunkSource::kLargestBytes);
    ASSERT_NE(all, nullptr);
    EXPECT_EQ(source.take(ChunkSource::kLargestBytes), nullptr);
    source.release(all, ChunkSource::kLargestBytes);
    EXPECT_EQ(source.take(ChunkSource::kLargestBytes), all);
    pages.reservations = 1;
    EXPECT_NE(source.take(ChunkSource::kSmallestBytes), nullptr);
  }
  EXPECT_EQ(pages.held_bytes, 0U);
  EXPECT_EQ(kept.load(), 0U);
}

}  // namespace
}  // namespace knul::quic
