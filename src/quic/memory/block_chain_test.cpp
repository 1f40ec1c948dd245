#include "quic/memory/block_chain.hpp"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace knul::quic {
namespace {

constexpr std::size_t kBlock = BlockChain::kBlockBytes;

std::vector<std::uint8_t> counting(std::size_t bytes) {
  std::vector<std::uint8_t> made(bytes);
  std::iota(made.begin(), made.end(), std::uint8_t{1});
  return made;
}

std::vector<std::uint8_t> content(const BlockChain& chain) {
  std::vector<std::uint8_t> bytes(chain.size());
  chain.copy_to(bytes);
  return bytes;
}

TEST(BlockChain, GivesBackWhatItWasGivenWhateverTheLength) {
  BlockChain chain;
  for (const std::size_t bytes :
       {std::size_t{1}, kBlock - 1, kBlock, kBlock + 1, std::size_t{0}, 2 * kBlock, std::size_t{1} << 20}) {
    SCOPED_TRACE(bytes);
    ASSERT_TRUE(chain.assign(counting(bytes)));
    EXPECT_TRUE(content(chain) == counting(bytes));
    EXPECT_EQ(chain.held_bytes(), (bytes + kBlock - 1) / kBlock * 512);
  }
}

TEST(BlockChain, LeavesNothingBehindWhenItMoves) {
  BlockChain from;
  ASSERT_TRUE(from.assign(counting(2'000)));
  BlockChain to(std::move(from));
  EXPECT_EQ(from.size(), 0U);  // NOLINT: the test reads the moved-from object
  EXPECT_EQ(content(to), counting(2'000));
  ASSERT_TRUE(from.assign(counting(10)));
  to = std::move(from);
  EXPECT_EQ(content(to), counting(10));
  EXPECT_EQ(from.size(), 0U);  // NOLINT
}

// Not under sanitizers: they fill memory, keep freed memory, and have their own limits of address space.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST(BlockChain, WipesItsBlocks) {
  static constexpr std::uint8_t kSecret = 0xa7;
  constexpr std::size_t kBytes = kBlock + sizeof(void*);
  constexpr std::ptrdiff_t kMostByChance = 16;  // in what the allocator itself writes into a block
  static const auto secret = [] {               // not on the heap, where the test would find it
    std::array<std::uint8_t, 5 * kBlock> bytes;
    bytes.fill(kSecret);
    return bytes;
  }();
  {
    BlockChain chain;
    ASSERT_TRUE(chain.assign(secret));
  }
  std::vector<std::unique_ptr<void, decltype(&std::free)>> blocks;
  for (int i = 0; i < 20; ++i) {  // some reuse the chain's memory
    const auto* const bytes =
        static_cast<const volatile std::uint8_t*>(blocks.emplace_back(std::malloc(kBytes), &std::free).get());
    EXPECT_LE(std::count(bytes, bytes + kBytes, kSecret), kMostByChance);
  }
}

std::size_t address_space_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * 4'096;
}

// Runs in its own process. GoogleTest runs suites named ...DeathTest first, before others have freed memory.
[[noreturn]] void assign_too_much() {
  const std::vector<std::uint8_t> large = counting(std::size_t{64} << 20);
  const rlimit limit{address_space_bytes() + (2 << 20), RLIM_INFINITY};
  setrlimit(RLIMIT_AS, &limit);
  const std::size_t before = mallinfo2().uordblks;
  BlockChain chain;
  const bool is_refused = !chain.assign(large) && chain.size() == 0 && chain.held_bytes() == 0;
  constexpr std::size_t kMostInCache = 8 * 512;  // of the heap's cache for this thread, which counts as used
  const bool has_freed_all = mallinfo2().uordblks <= before + kMostInCache;
  const bool is_usable = chain.assign(std::span(large).first(2'000)) && chain.size() == 2'000;
  _exit(is_refused && has_freed_all && is_usable ? 0 : 1);
}

TEST(BlockChainDeathTest, HoldsNothingWhenMemoryIsShort) {
  EXPECT_EXIT(assign_too_much(), testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace knul::quic
