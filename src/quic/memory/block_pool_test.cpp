#include "quic/memory/block_pool.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace knul::quic {
namespace {

TEST(BlockPool, GivesABlockAgainForAnySizeThatFitsIt) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  void* first = pool.take(1'000);
  pool.release(first, 1'000);
  EXPECT_NE(PooledBlock(pool, 512).data(), first);
  EXPECT_EQ(PooledBlock(pool, 1'024).data(), first);
}

TEST(BlockPool, GivesBlocksThatDoNotOverlap) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  std::vector<std::vector<PooledBlock>> blocks;
  for (std::size_t bytes = 1; bytes <= BlockPool::kLargestBytes; bytes = bytes * 3 + 1) {
    auto& of_size = blocks.emplace_back();
    for (int i = 0; i < 3; ++i) {
      of_size.emplace_back(pool, bytes);
      std::memset(of_size.back().data(), static_cast<int>(blocks.size() * 3) + i, bytes);
    }
  }
  for (std::size_t size = 0; size < blocks.size(); ++size) {
    for (std::size_t i = 0; i < 3; ++i) {
      const PooledBlock& block = blocks[size][i];
      const std::vector<std::uint8_t> expected(block.size(), static_cast<std::uint8_t>((size + 1) * 3 + i));
      EXPECT_EQ(std::memcmp(block.data(), expected.data(), expected.size()), 0);
    }
  }
}

TEST(BlockPool, ReturnsABlockWhenItsOwnerGoes) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  const PooledBlock kept(pool, 100);
  const std::uint8_t* address = nullptr;
  {
    PooledBlock block(pool, 100);
    address = block.data();
    PooledBlock moved = std::move(block);
    EXPECT_EQ(moved.data(), address);
  }
  EXPECT_EQ(PooledBlock(pool, 100).data(), address);
}

TEST(BlockPool, CountsWhatItReusesKeepsAndHasLent) {
  stats::WorkerCounters counters;
  {
    BlockPool pool{counters};
    { const PooledBlock first(pool, 1'000); }
    const PooledBlock again(pool, 1'000);
    { const PooledBlock other(pool, 100); }
    EXPECT_EQ(counters.pool_blocks_allocated.load(), 2U);
    EXPECT_EQ(counters.pool_blocks_reused.load(), 1U);
    EXPECT_EQ(counters.pool_used_bytes.load(), 1'024U);
    EXPECT_EQ(counters.pool_kept_bytes.load(), 128U);
  }
  EXPECT_EQ(counters.pool_used_bytes.load(), 0U);
  EXPECT_EQ(counters.pool_kept_bytes.load(), 0U);
}

TEST(BlockPool, CountsABlockThatIsNotKept) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  std::vector<PooledBlock> many;
  for (std::size_t bytes = 0; bytes <= BlockPool::kKeptBytes; bytes += BlockPool::kLargestBytes)
    many.emplace_back(pool, BlockPool::kLargestBytes);
  many.clear();
  EXPECT_EQ(counters.pool_used_bytes.load(), 0U);
  EXPECT_EQ(counters.pool_kept_bytes.load(), BlockPool::kKeptBytes);
}

TEST(BlockPool, DestroysTheObjectInABlock) {
  struct Watched {
    explicit Watched(bool& flag) noexcept : is_gone(flag) {}
    ~Watched() { is_gone = true; }
    bool& is_gone;
  };
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  bool is_gone = false;
  make_pooled<Watched>(pool, is_gone).reset();
  EXPECT_TRUE(is_gone);
}

}  // namespace
}  // namespace knul::quic
