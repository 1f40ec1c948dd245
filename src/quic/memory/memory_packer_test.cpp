#include "quic/memory/memory_packer.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <string_view>

#include "quic/memory/scarce_heap_test_support.hpp"

namespace knul::quic {

thread_local ScarceHeap scarce_heap;

}  // namespace knul::quic

namespace {

using knul::quic::scarce_heap;

// For this thread: the number of allocations, and bytes that no freed memory may contain.
thread_local std::size_t allocations = 0;
thread_local std::string_view secret;
thread_local std::size_t secrets_freed = 0;

}  // namespace

// Sanitizers replace each form of operator new; arrays and the other forms call these. Not inlined, because
// the compiler would warn of malloc paired with operator delete.
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t& /*unused*/) noexcept {
  ++allocations;
  const bool has_run_out = scarce_heap.successes_left == 0 && scarce_heap.failures_left > 0;
  std::size_t& left = has_run_out ? scarce_heap.failures_left : scarce_heap.successes_left;
  left -= left == SIZE_MAX || left == 0 ? 0 : 1;
  if (has_run_out) {
    return nullptr;
  }
  return std::malloc(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  void* const memory = operator new(bytes, std::nothrow);
  return memory != nullptr ? memory : throw std::bad_alloc();
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory != nullptr && !secret.empty()) {
    const std::string_view freed(static_cast<const char*>(memory), malloc_usable_size(memory));
    secrets_freed += freed.find(secret) == std::string_view::npos ? 0 : 1;
  }
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { operator delete(memory); }

namespace knul::quic {
namespace {

constexpr std::size_t kGroupWords = 8;
constexpr std::size_t kLongestRun = 255;  // of groups of zeros

// Memory to pack, clear and restore at the same addresses.
class Memory {
 public:
  explicit Memory(const std::vector<std::size_t>& words_of_pieces) {
    for (const std::size_t words : words_of_pieces)
      pieces_.emplace_back(words);
    for (std::vector<std::uint64_t>& piece : pieces_)
      spans_.emplace_back(reinterpret_cast<std::uint8_t*>(piece.data()),
                          piece.size() * sizeof(std::uint64_t));
  }

  std::vector<std::uint64_t>& piece(std::size_t index) { return pieces_[index]; }

  void fill_randomly(std::mt19937_64& random) {
    for (std::vector<std::uint64_t>& piece : pieces_)
      std::ranges::generate(piece, std::ref(random));
  }

  // Returns the packed form, and checks that the content is restored.
  PackedMemory round_trip(MemoryPacker& packer) {
    const std::vector<std::vector<std::uint64_t>> before = pieces_;
    PackedMemory packed = pack(packer);
    EXPECT_TRUE(pieces_ == before) << "pack() wrote into the memory";
    unpack(packer, packed);
    EXPECT_TRUE(pieces_ == before) << "unpack() brought something else back";
    return packed;
  }
  PackedMemory pack(MemoryPacker& packer) { return packer.pack(spans_).value(); }
  std::optional<PackedMemory> try_pack(MemoryPacker& packer) { return packer.pack(spans_); }
  void unpack(MemoryPacker& packer, const PackedMemory& packed) {
    for (const std::span<std::uint8_t> span : spans_)
      std::ranges::fill(span, std::uint8_t{0});
    packer.unpack(packed, spans_);
  }

 private:
  std::vector<std::vector<std::uint64_t>> pieces_;
  std::vector<std::span<std::uint8_t>> spans_;
};

class Packer : public ::testing::Test {
 protected:
  Memory random_memory() {
    Memory memory({2'000});
    memory.fill_randomly(random);
    return memory;
  }

  MemoryPacker packer;
  const std::uint64_t seed = std::random_device{}();
  std::mt19937_64 random{seed};

 private:
  const testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed)};
};

TEST_F(Packer, PacksNothingIntoNothing) {
  EXPECT_EQ(Memory({}).round_trip(packer).bytes.size(), 0U);
  EXPECT_EQ(Memory({0, 0}).round_trip(packer).bytes.size(), 0U);
}

TEST_F(Packer, NeedsTwoBytesForEachRunOfZeros) {
  EXPECT_EQ(Memory({kGroupWords}).round_trip(packer).bytes.size(), 2U);
  EXPECT_EQ(Memory({kLongestRun * kGroupWords}).round_trip(packer).bytes.size(), 2U);
  EXPECT_EQ(Memory({kLongestRun * kGroupWords + 1}).round_trip(packer).bytes.size(), 4U);
  EXPECT_EQ(Memory({1, 1, 1}).round_trip(packer).bytes.size(), 6U);
}

TEST_F(Packer, RestoresBytesAfterALongRunOfZeros) {
  for (const std::size_t groups : {1U, 254U, 255U, 256U, 257U, 509U, 510U, 511U, 1'021U}) {
    SCOPED_TRACE(groups);
    MemoryPacker fresh;
    Memory memory({groups * kGroupWords + 3, 5});
    memory.piece(0).back() = 7;
    memory.piece(1).front() = 0x8000'0000'0000'0001;
    memory.round_trip(fresh);
  }
}

TEST_F(Packer, RestoresRandomBytesOfAnyLength) {
  for (std::size_t words = 1; words <= 4 * kGroupWords; ++words) {
    Memory memory({words, words % 5, words + 1});
    memory.fill_randomly(random);
    memory.round_trip(packer);
  }
}

TEST_F(Packer, RestoresWordsWhicheverOfTheirBytesAreZero) {
  Memory memory({256});
  for (unsigned mask = 0; mask < 256; ++mask) {
    for (unsigned byte = 0; byte < 8; ++byte)
      memory.piece(0)[mask] |= (mask >> byte & 1U) != 0 ? std::uint64_t{0x80 + byte} << (8 * byte) : 0;
  }
  memory.round_trip(packer);
}

TEST_F(Packer, KeepsAnAddressNearThePieceInFiveBytes) {
  Memory memory({kGroupWords});
  std::ranges::fill(memory.piece(0), reinterpret_cast<std::uintptr_t>(memory.piece(0).data()));
  EXPECT_EQ(memory.round_trip(packer).bytes.size(), 1 + 5 * kGroupWords);
}

TEST_F(Packer, RestoresAddressesOnBothSidesOfTheNearRange) {
  Memory memory({2 * kGroupWords});
  const auto base = reinterpret_cast<std::uintptr_t>(memory.piece(0).data());
  constexpr std::uint64_t kFar = std::uint64_t{1} << 31;
  memory.piece(0) = {base,
                     base + 1,
                     base - 1,
                     base + kFar - 1,
                     base + kFar,
                     base + kFar + 1,
                     base - kFar,
                     base - kFar - 1,
                     base + 2 * kFar,
                     base - 2 * kFar,
                     ~base,
                     ~std::uint64_t{0},
                     1,
                     0,
                     base};
  memory.round_trip(packer);
}

TEST_F(Packer, CompressesLargeRepetitiveMemory) {
  Memory memory({20'000, 33, 20'000});
  for (std::size_t i = 0; i < 20'000; ++i) {
    memory.piece(0)[i] = 0x0102'0304'0506'0700 + i % 9;
    memory.piece(2)[i] = i % 3 == 0 ? reinterpret_cast<std::uintptr_t>(&memory.piece(2)[i / 100]) : 0;
  }
  const PackedMemory packed = memory.round_trip(packer);
  EXPECT_EQ(packed.form, PackedMemory::Form::kCompressed);
  EXPECT_LT(packed.bytes.size(), packed.plain_size / 4);
}

TEST_F(Packer, LeavesMemoryThatDoesNotCompressAsItIs) {
  Memory memory({150});  // in a larger memory at least the lengths of the words would compress
  memory.fill_randomly(random);
  const PackedMemory packed = memory.round_trip(packer);
  EXPECT_EQ(packed.form, PackedMemory::Form::kPlain);
  EXPECT_EQ(packed.bytes.size(), packed.plain_size);
}

// Like a connection's memory: much is equal in all of them, the rest is its own.
struct ConnectionMemory : Memory {
  ConnectionMemory(std::size_t objects, std::mt19937_64& random) : Memory({objects * 16}) {
    std::mt19937_64 same(objects);
    for (std::size_t i = 0; i < piece(0).size(); ++i)
      piece(0)[i] = i % 16 == 0 ? random() : same();
  }
};

constexpr std::size_t kFewObjects = 40;
constexpr std::size_t kManyObjects = 100;

TEST_F(Packer, PacksMemoryBetterThatIsLikeItsTrainingSamples) {
  for (const std::size_t objects : {kFewObjects, kManyObjects}) {
    SCOPED_TRACE(objects);
    ConnectionMemory one(objects, random);
    ConnectionMemory other(objects, random);
    const PackedMemory of_one = one.pack(packer);
    const PackedMemory of_other = other.pack(packer);
    EXPECT_FALSE(packer.has_dictionary_for(of_one));
    packer.train(of_one, of_other);
    EXPECT_TRUE(packer.has_dictionary_for(of_one));
    const PackedMemory later = ConnectionMemory(objects, random).round_trip(packer);
    EXPECT_EQ(later.form, PackedMemory::Form::kCompressedByDictionary);
    EXPECT_LT(later.bytes.size(), of_one.bytes.size() / 2);
  }
}

TEST_F(Packer, IsTrainedOnceByTwoOfASize) {
  ConnectionMemory small(kFewObjects, random);
  ConnectionMemory large(kManyObjects, random);
  const PackedMemory of_small = small.pack(packer);
  const PackedMemory of_large = large.pack(packer);
  packer.train(of_small, of_large);
  EXPECT_FALSE(packer.has_dictionary_for(of_small));
  EXPECT_FALSE(packer.has_dictionary_for(of_large));
  packer.train(of_small, of_small);
  EXPECT_TRUE(packer.has_dictionary_for(of_small));
  EXPECT_FALSE(packer.has_dictionary_for(of_large));
  const PackedMemory by_dictionary = small.pack(packer);
  Memory nothing_like_it({1'000});
  nothing_like_it.fill_randomly(random);
  const PackedMemory of_nothing_like_it = nothing_like_it.pack(packer);
  packer.train(of_nothing_like_it, of_nothing_like_it);
  const std::vector<std::uint64_t> before = small.piece(0);
  small.unpack(packer, by_dictionary);
  EXPECT_TRUE(small.piece(0) == before);
}

TEST_F(Packer, UnpacksWithoutMoreMemory) {
  ConnectionMemory memory(kManyObjects, random);
  ConnectionMemory other(kManyObjects, random);
  const PackedMemory compressed = memory.pack(packer);
  packer.train(compressed, other.pack(packer));
  const PackedMemory by_dictionary = memory.pack(packer);
  const std::size_t before = allocations;
  memory.unpack(packer, by_dictionary);
  memory.unpack(packer, compressed);
  EXPECT_EQ(allocations, before);
}

TEST_F(Packer, RestoresEverythingWhicheverAllocationFails) {
  std::size_t failures = 0;
  for (bool has_failed = true; has_failed; ++failures) {
    SCOPED_TRACE(failures);
    MemoryPacker fresh;
    ConnectionMemory one(kManyObjects, random);
    ConnectionMemory other(kManyObjects, random);
    const std::vector<std::uint64_t> before = one.piece(0);
    PackedMemory of_one = one.pack(fresh);
    const PackedMemory of_other = other.pack(fresh);
    ConnectionMemory larger(kManyObjects * 10, random);
    const std::vector<std::uint64_t> larger_before = larger.piece(0);

    scarce_heap.successes_left = failures;
    fresh.train(of_one, of_other);
    std::optional<PackedMemory> again = one.try_pack(fresh);
    std::optional<PackedMemory> of_larger = larger.try_pack(fresh);
    has_failed = scarce_heap.successes_left == 0;
    scarce_heap.successes_left = 0;
    if (again) {
      one.unpack(fresh, *again);
      EXPECT_TRUE(one.piece(0) == before);
    }
    one.unpack(fresh, of_one);
    EXPECT_TRUE(one.piece(0) == before);
    if (of_larger) {
      larger.unpack(fresh, *of_larger);
      EXPECT_TRUE(larger.piece(0) == larger_before);
    }
    scarce_heap = {};
  }
  EXPECT_GT(failures, 20U);
}

TEST_F(Packer, WipesTheMemoryThatItFrees) {
  const std::string_view key = "a key!!!";  // one word, because the packed form has lengths between words
  std::vector<ConnectionMemory> memories;
  for (const std::size_t objects : {kFewObjects, kManyObjects, kManyObjects, kManyObjects * 100}) {
    memories.emplace_back(objects, random);
    // The dictionary comes from two that share no secret.
    for (std::size_t i = 16; i < memories.back().piece(0).size() && memories.size() != 2; i += 16 * 50)
      std::memcpy(memories.back().piece(0).data() + i, key.data(), key.size());
  }
  {
    MemoryPacker fresh;
    secret = key;
    std::vector<PackedMemory> packed;
    for (ConnectionMemory& memory : memories)
      packed.push_back(memory.pack(fresh));
    fresh.train(packed[1], packed[2]);
  }
  secret = {};
  EXPECT_EQ(secrets_freed, 0U);
}

TEST_F(Packer, IsNotTrainedByMemoriesWithNothingInCommon) {
  Memory one = random_memory();
  Memory other = random_memory();
  const PackedMemory of_one = one.pack(packer);
  packer.train(of_one, other.pack(packer));
  EXPECT_FALSE(packer.has_dictionary_for(of_one));

  ConnectionMemory like(kManyObjects, random);
  const PackedMemory of_like = like.pack(packer);
  const PackedMemory of_its_like = ConnectionMemory(kManyObjects, random).pack(packer);
  packer.train(of_like, of_its_like);
  EXPECT_TRUE(packer.has_dictionary_for(of_like));
  one.round_trip(packer);
  like.round_trip(packer);
}

TEST_F(Packer, AttemptsToTrainEverMoreRarely) {
  Memory one = random_memory();
  Memory other = random_memory();
  const PackedMemory of_one = one.pack(packer);
  const PackedMemory of_other = other.pack(packer);
  std::size_t tries = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::size_t before = allocations;
    packer.train(of_one, of_other);
    tries += allocations == before ? 0 : 1;
  }
  EXPECT_EQ(tries, 10U);
}

TEST_F(Packer, UnpacksInAnyOrderWhateverTrainedItMeanwhile) {
  std::vector<std::vector<std::uint64_t>> memories(20);
  std::vector<PackedMemory> packed;
  for (std::size_t i = 0; i < memories.size(); ++i) {
    std::vector<std::uint64_t>& memory = memories[i];
    memory.assign(1 + random() % 9'000, 0x1122'3344'5566 + random() % 4);
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(memory.data()), memory.size() * 8);
    packed.push_back(packer.pack({&bytes, 1}).value());
    if (i % 4 == 3)
      packer.train(packed[i - random() % 3], packed[i]);
  }
  for (std::size_t i = memories.size(); i-- > 0;) {
    const std::vector<std::uint64_t> before = memories[i];
    std::ranges::fill(memories[i], 0U);
    const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(memories[i].data()),
                                        before.size() * 8);
    packer.unpack(packed[i], {&bytes, 1});
    EXPECT_TRUE(memories[i] == before) << i;
  }
}

}  // namespace
}  // namespace knul::quic
