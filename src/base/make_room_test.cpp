#include "base/make_room.hpp"

#include <absl/container/flat_hash_map.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>

namespace knul::base {
namespace {

// Counts allocations, and refuses them if the test sets that.
struct Memory {
  std::size_t allocations = 0;
  bool is_short = false;
};

template <class T>
struct Allocator {
  using value_type = T;
  explicit Allocator(Memory& from) : memory(&from) {}
  template <class Other>
  Allocator(const Allocator<Other>& other) : memory(other.memory) {}
  T* allocate(std::size_t count) {
    ++memory->allocations;
    return memory->is_short ? throw std::bad_alloc() : std::allocator<T>().allocate(count);
  }
  void deallocate(T* block, std::size_t count) { std::allocator<T>().deallocate(block, count); }
  friend bool operator==(const Allocator& a, const Allocator& b) { return a.memory == b.memory; }

  Memory* memory;
};

using Value = std::unique_ptr<std::uint64_t>;
using Table = absl::flat_hash_map<std::uint64_t, Value, std::hash<std::uint64_t>, std::equal_to<>,
                                  Allocator<std::pair<const std::uint64_t, Value>>>;

TEST(MakeRoom, LeavesTheTableAsItWasWhereThereIsNoMemory) {
  Memory memory;
  Table table{Allocator<std::pair<const std::uint64_t, Value>>(memory)};
  std::size_t refusals = 0;
  for (std::uint64_t key = 0; key < 1'000; ++key) {
    memory.is_short = true;
    try {
      make_room(table);
    } catch (const std::bad_alloc&) {
      ++refusals;
    }
    memory.is_short = false;
    ASSERT_EQ(table.size(), key);
    make_room(table);
    table.emplace(key, std::make_unique<std::uint64_t>(key));
    for (std::uint64_t present = 0; present <= key; ++present) {
      ASSERT_EQ(*table.at(present), present);
    }
  }
  EXPECT_EQ(refusals, 7U) << "31 to 2,047 slots";
}

// After any insertions and removals, the table never allocates between calls of make_room().
TEST(MakeRoom, IsAllThatAllocates) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    Memory memory;
    Table table{Allocator<std::pair<const std::uint64_t, Value>>(memory)};
    std::map<std::uint64_t, std::uint64_t> expected;
    const std::uint64_t keys = 1 + random() % 300;
    for (int deed = 0; deed < 5'000; ++deed) {
      const std::uint64_t key = random() % (keys * 2);
      if (expected.contains(key) || expected.size() >= keys) {
        ASSERT_EQ(table.erase(key), expected.erase(key));
        continue;
      }
      make_room(table);
      const std::size_t before = memory.allocations;
      table.emplace(key, std::make_unique<std::uint64_t>(key));
      ASSERT_EQ(memory.allocations, before) << "with " << table.size() << " of " << table.capacity();
      expected.emplace(key, key);
    }
    ASSERT_EQ(table.size(), expected.size());
    for (const auto& [key, value] : expected) {
      ASSERT_EQ(*table.at(key), value);
    }
  }
}

}  // namespace
}  // namespace knul::base
