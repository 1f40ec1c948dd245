#include "quic/memory/connection_arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "quic/memory/scarce_pages_test_support.hpp"

namespace knul::quic {
namespace {

// An arena, its expected content, and the comparison of both.
class Arena : public ::testing::Test {
 protected:
  using Blocks = std::map<std::uint8_t*, std::vector<std::uint8_t>>;  // what was written, by address

  void* allocate(std::size_t bytes) { return arena->memory().malloc(bytes, arena->memory().user_data); }
  void release(void* pointer) { arena->memory().free(pointer, arena->memory().user_data); }
  void* clear(std::size_t count, std::size_t bytes) {
    return arena->memory().calloc(count, bytes, arena->memory().user_data);
  }
  void* resize(void* pointer, std::size_t bytes) {
    return arena->memory().realloc(pointer, bytes, arena->memory().user_data);
  }

  // False: memory is short.
  bool add(std::size_t bytes) {
    auto* const at = static_cast<std::uint8_t*>(allocate(bytes));
    return at != nullptr && (fill(at, bytes), true);
  }
  void add_cleared(std::size_t count, std::size_t bytes) {
    auto* const at = static_cast<std::uint8_t*>(clear(count, bytes));
    ASSERT_NE(at, nullptr);
    EXPECT_TRUE(std::all_of(at, at + count * bytes, [](std::uint8_t byte) { return byte == 0; }));
    fill(at, count * bytes);
  }
  void resize_any(std::size_t bytes) {
    const auto old = any();
    auto* const at = static_cast<std::uint8_t*>(resize(old->first, bytes));
    ASSERT_NE(at, nullptr);
    const std::size_t kept = std::min(bytes, old->second.size());
    EXPECT_TRUE(std::equal(at, at + kept, old->second.begin()));
    blocks.erase(old);
    fill(at, bytes);
  }
  void remove_any() { remove(any()); }
  void remove_last() { remove(std::prev(blocks.end())); }
  void remove(Blocks::iterator victim) {
    expect_intact(*victim);
    release(victim->first);
    blocks.erase(victim);
  }
  void remove_all() {
    while (!blocks.empty())
      remove_any();
  }

  void step() {
    const std::size_t bytes = random() % 20 == 0 ? random() % 30'000 : random() % 600;
    const auto choice = blocks.empty() || live() < 100'000 ? random() % 2 : random() % 5;
    if (choice == 0) {
      EXPECT_TRUE(add(bytes));
    } else if (choice == 1) {
      add_cleared(1 + bytes / 24, 24);
    } else if (choice == 2) {
      resize_any(bytes);
    } else {
      remove_any();
    }
    EXPECT_EQ(gauge.load(), arena->resident_bytes());
  }

  [[nodiscard]] std::size_t live() const {
    return std::accumulate(blocks.begin(), blocks.end(), std::size_t{0},
                           [](std::size_t sum, const auto& block) { return sum + block.second.size(); });
  }

  void hibernate_and_wake() {
    ASSERT_TRUE(arena->hibernate());
    EXPECT_TRUE(arena->is_hibernating());
    EXPECT_EQ(gauge.load(), arena->resident_bytes());
    arena->wake();
    EXPECT_FALSE(arena->is_hibernating());
    EXPECT_EQ(gauge.load(), arena->resident_bytes());
    expect_all_intact();
  }
  void expect_all_intact() const { std::ranges::for_each(blocks, expect_intact); }

  const unsigned seed = std::random_device{}();
  const ::testing::ScopedTrace trace{__FILE__, __LINE__, "seed " + std::to_string(seed)};
  std::mt19937 random{seed};
  stats::Gauge gauge;
  ScarcePages pages;
  stats::Gauge warm;
  ArenaPool pool{pages, warm};
  std::optional<ConnectionArena> arena{std::in_place, pool, gauge};
  Blocks blocks;

 private:
  static void expect_intact(const Blocks::value_type& block) {
    EXPECT_TRUE(std::ranges::equal(block.second, std::span(block.first, block.second.size())));
  }
  // Random bytes between zeros, as in structures.
  void fill(std::uint8_t* at, std::size_t bytes) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 16, 0U);
    std::vector<std::uint8_t> content(bytes);
    const std::size_t step = 1 + random() % 40;
    for (std::size_t i = 0; i < bytes; i += step)
      content[i] = static_cast<std::uint8_t>(random());
    std::ranges::copy(content, at);
    EXPECT_TRUE(blocks.emplace(at, std::move(content)).second);
  }
  Blocks::iterator any() {
    const auto from = blocks.lower_bound(blocks.begin()->first + random() % 300'000);
    return from == blocks.end() ? blocks.begin() : from;
  }
};

TEST_F(Arena, KeepsEveryBlockThroughRandomUse) {
  for (int i = 0; i < 5'000 && !HasFailure(); ++i)
    step();
  remove_all();
}

TEST_F(Arena, KeepsContentsAndAddressesThroughManyHibernations) {
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    for (auto steps = random() % 50; steps > 0; --steps)
      step();
    hibernate_and_wake();
  }
  remove_all();
  hibernate_and_wake();
}

TEST_F(Arena, KeepsContentsOfManyChunksThroughAHibernation) {
  while (live() < ConnectionArena::kLargestHibernatingBytes * 9 / 10)
    ASSERT_TRUE(add(1 + random() % 40'000));
  ASSERT_TRUE(arena->hibernate());
  EXPECT_GE(pages.discarded_bytes, live());
  EXPECT_LT(arena->resident_bytes(), live());
  arena->wake();
  expect_all_intact();
}

TEST_F(Arena, HibernatesBesideOthersOfItsPool) {
  ConnectionArena other(pool, gauge);
  auto* const at = static_cast<char*>(other.memory().malloc(100, &other));
  std::strcpy(at, "theirs");
  ASSERT_TRUE(add(20'000));
  ASSERT_TRUE(other.hibernate());
  ASSERT_TRUE(arena->hibernate());
  EXPECT_EQ(gauge.load(), arena->resident_bytes() + other.resident_bytes());
  other.wake();
  EXPECT_STREQ(at, "theirs");
  arena->wake();
  expect_all_intact();
}

TEST_F(Arena, HibernatesInLessMemoryAfterTwoSimilarOnes) {
  std::vector<std::uint8_t> same(3'000);
  std::ranges::generate(same, [this] { return static_cast<std::uint8_t>(random()); });
  std::vector<std::size_t> sizes;
  std::vector<std::unique_ptr<ConnectionArena>> others;
  for (int i = 0; i < 3; ++i) {
    ConnectionArena& other = *others.emplace_back(std::make_unique<ConnectionArena>(pool, gauge));
    std::ranges::copy(same, static_cast<std::uint8_t*>(other.memory().malloc(same.size(), &other)));
    ASSERT_TRUE(other.hibernate());
    sizes.push_back(other.resident_bytes());
  }
  EXPECT_GE(sizes[1], sizes[0]);
  EXPECT_LT(sizes[2], sizes[0] / 3);
}

TEST_F(Arena, IsATrainingSampleOnlyWhileItHibernates) {
  ASSERT_TRUE(add(20'000));
  ASSERT_TRUE(arena->hibernate());
  EXPECT_EQ(pool.training_sample, &*arena);
  arena->wake();
  EXPECT_EQ(pool.training_sample, nullptr);
  ASSERT_TRUE(arena->hibernate());
  arena.reset();
  EXPECT_EQ(pool.training_sample, nullptr);
}

TEST_F(Arena, JoinsFreedNeighboursWhateverTheOrder) {
  std::vector<void*> small;
  for (int i = 0; i < 100; ++i)
    small.push_back(allocate(408));
  const std::size_t before = arena->resident_bytes();
  std::ranges::shuffle(small, random);
  for (void* const block : small)
    release(block);
  EXPECT_TRUE(add(100 * 416 - 8));  // all of it; the rest of the chunk is smaller
  EXPECT_EQ(arena->resident_bytes(), before);
}

TEST_F(Arena, UsesTheRestOfALargerBlock) {
  void* const large = allocate(40'000);
  const std::size_t before = arena->resident_bytes();
  release(large);
  for (int i = 0; i < 96; ++i)
    EXPECT_TRUE(add(400));
  EXPECT_EQ(arena->resident_bytes(), before);
  expect_all_intact();
}

TEST_F(Arena, RefusesAnAllocationThatIsTooLarge) {
  constexpr std::size_t kLargest = ConnectionArena::kLargestAllocationBytes;
  EXPECT_EQ(allocate(kLargest + 1), nullptr);
  EXPECT_EQ(allocate(~std::size_t{0}), nullptr);
  EXPECT_EQ(clear(~std::size_t{0}, 2), nullptr);
  EXPECT_EQ(clear(std::size_t{1} << 63, 2), nullptr);  // their product is 0
  EXPECT_EQ(clear(2, kLargest / 2 + 1), nullptr);
  EXPECT_EQ(resize(nullptr, kLargest + 1), nullptr);
  EXPECT_EQ(arena->resident_bytes(), 0U);
  EXPECT_TRUE(add(kLargest));
  EXPECT_EQ(resize(blocks.begin()->first, kLargest + 100), nullptr);
  expect_all_intact();
}

TEST_F(Arena, AcceptsEmptyRequests) {
  void* const empty = allocate(0);
  ASSERT_NE(empty, nullptr);
  void* const other = clear(0, 8);
  ASSERT_NE(other, nullptr);
  EXPECT_NE(other, empty);
  release(nullptr);
  release(empty);
  EXPECT_NE(clear(8, 0), nullptr);
  EXPECT_TRUE(add(1));
}

TEST_F(Arena, StaysUsableWhenNoPagesAreLeft) {
  pages.reservations = 0;
  EXPECT_EQ(allocate(1), nullptr);
  EXPECT_EQ(arena->resident_bytes(), 0U);
  pages.reservations = 1;
  while (add(50'000))
    ASSERT_LT(blocks.size(), 100U);
  EXPECT_EQ(resize(blocks.begin()->first, 1'000'000), nullptr);
  expect_all_intact();
  EXPECT_EQ(gauge.load(), arena->resident_bytes());
  remove_any();
  EXPECT_TRUE(add(50'000));
  while (blocks.size() > 10)
    remove_last();
  hibernate_and_wake();
  pages.reservations = 1;
  EXPECT_TRUE(add(3'000'000));
  expect_all_intact();
}

TEST_F(Arena, DoesNotHibernateWhenTooMuchIsInUse) {
  while (live() < ConnectionArena::kLargestHibernatingBytes * 2)
    ASSERT_TRUE(add(50'000));
  while (live() > ConnectionArena::kLargestHibernatingBytes) {
    EXPECT_FALSE(arena->hibernate());
    EXPECT_FALSE(arena->is_hibernating());
    EXPECT_EQ(gauge.load(), arena->resident_bytes());
    expect_all_intact();
    remove_last();
  }
  while (live() > ConnectionArena::kLargestHibernatingBytes / 2)
    remove_last();
  hibernate_and_wake();
}

TEST_F(Arena, ReleasesUnusedPagesEvenIfItDoesNotHibernate) {
  while (live() < 8 * ConnectionArena::kLargestHibernatingBytes)
    ASSERT_TRUE(add(50'000));
  while (live() > 2 * ConnectionArena::kLargestHibernatingBytes)
    remove_last();
  const std::size_t before = arena->resident_bytes();
  ASSERT_FALSE(arena->hibernate());
  EXPECT_EQ(gauge.load(), arena->resident_bytes());
  EXPECT_LT(gauge.load(), before / 2);
  EXPECT_GE(pages.discarded_bytes, before - gauge.load());
  while (live() < 8 * ConnectionArena::kLargestHibernatingBytes)
    ASSERT_TRUE(add(50'000));
  expect_all_intact();
}

TEST_F(Arena, HasRoomAgainAfterEachOfManyBursts) {
  for (int burst = 0; burst < 100; ++burst) {
    for (int i = 0; i < 30; ++i)
      ASSERT_TRUE(add(50'000)) << burst;
    remove_all();
    hibernate_and_wake();
  }
  EXPECT_LE(pages.held_bytes, std::size_t{16} << 20);
}

TEST_F(Arena, IsFullAtSixtyMebibytes) {
  std::vector<void*> large;
  for (void* at = allocate(900'000); at != nullptr && large.size() < 100; at = allocate(900'000))
    large.push_back(at);
  EXPECT_LT(large.size(), 70U);
  EXPECT_GT(large.size(), 50U);
  EXPECT_FALSE(arena->hibernate());
  std::ranges::for_each(large, [this](void* at) { release(at); });
  EXPECT_TRUE(add(900'000));
  hibernate_and_wake();
}

TEST_F(Arena, HibernatesWithoutContent) {
  hibernate_and_wake();
  EXPECT_TRUE(add(10));
  remove_all();
  hibernate_and_wake();
  EXPECT_TRUE(add(10));
  hibernate_and_wake();
}

TEST_F(Arena, LowersItsGaugeToZeroAtItsDestruction) {
  ASSERT_TRUE(add(10'000));
  EXPECT_GT(gauge.load(), 0U);
  arena.reset();
  EXPECT_EQ(gauge.load(), 0U);
}

TEST_F(Arena, ReleasesItsChunksWhetherItHibernatesOrNot) {
  for (int i = 0; i < 100; ++i) {
    for (int block = 0; block < 10; ++block)
      ASSERT_TRUE(add(40'000));
    if (i % 2 == 0) {
      ASSERT_TRUE(arena->hibernate());
    }
    arena.reset();
    EXPECT_EQ(gauge.load(), 0U);
    blocks.clear();
    arena.emplace(pool, gauge);
  }
  EXPECT_LE(pages.held_bytes, ChunkSource::kLargestBytes);
}

}  // namespace
}  // namespace knul::quic
