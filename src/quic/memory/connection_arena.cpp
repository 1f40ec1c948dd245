#include "quic/memory/connection_arena.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>
#include <new>

namespace knul::quic {
namespace {

constexpr std::size_t kGranule = 16;
constexpr std::size_t kHeaderBytes = sizeof(std::size_t);
constexpr std::size_t kSmallestBlock = 32;  // header, two links, and the size again at the end
constexpr std::size_t kFree = 1;            // flags beside the size
constexpr std::size_t kPreviousFree = 2;
constexpr std::size_t kFlags = kFree | kPreviousFree;

// One class for each size up to kExact, above it one for each power of two.
constexpr std::size_t kExact = 512;
constexpr std::size_t kExactClasses = kExact / kGranule;

std::size_t class_of(std::size_t block_bytes) {
  if (block_bytes < kExact) {
    return block_bytes / kGranule;
  }
  return kExactClasses + static_cast<std::size_t>(std::bit_width(block_bytes / kExact)) - 1;
}

std::size_t whole_pages(std::size_t bytes) {
  constexpr std::size_t kPage = base::PageSource::kPageBytes;
  return (bytes + kPage - 1) / kPage * kPage;
}

}  // namespace

// The header of each piece of memory that is handed out. Its address is 8 above a multiple of 16.
struct ConnectionArena::Block {
  std::size_t word;  // size with this header, and the flags
  // While free:
  Block* next;
  Block* previous;

  [[nodiscard]] std::size_t bytes() const { return word & ~kFlags; }
  [[nodiscard]] bool is_free() const { return (word & kFree) != 0; }
  [[nodiscard]] bool is_previous_free() const { return (word & kPreviousFree) != 0; }
  [[nodiscard]] std::uint8_t* begin() { return reinterpret_cast<std::uint8_t*>(this); }
  [[nodiscard]] void* payload() { return begin() + kHeaderBytes; }
  [[nodiscard]] Block& behind() { return *reinterpret_cast<Block*>(begin() + bytes()); }
  // Requires that the block before is free.
  [[nodiscard]] Block& before() {
    std::size_t size = 0;
    std::memcpy(&size, begin() - sizeof(size), sizeof(size));
    return *reinterpret_cast<Block*>(begin() - size);
  }
  static Block& of(void* payload) {
    return *reinterpret_cast<Block*>(static_cast<std::uint8_t*>(payload) - kHeaderBytes);
  }
};

// The free blocks by class. It is inside the arena, so that hibernate() packs it too.
struct ConnectionArena::Heads {
  static constexpr std::size_t kClasses = 47;  // the last class has kLargestBytes of a ChunkSource

  std::uint64_t occupied = 0;  // bit n: first[n] is not null
  std::array<Block*, kClasses> first{};
};

ConnectionArena::ConnectionArena(ArenaPool& pool, stats::Gauge& memory) : pool_(pool), gauge_(memory) {
  memory_.user_data = this;
  memory_.malloc = [](std::size_t bytes, void* self) {
    return static_cast<ConnectionArena*>(self)->allocate(bytes);
  };
  memory_.free = [](void* pointer, void* self) { static_cast<ConnectionArena*>(self)->release(pointer); };
  memory_.calloc = [](std::size_t count, std::size_t bytes, void* self) -> void* {
    if (bytes != 0 && count > kLargestAllocationBytes / bytes) {
      return nullptr;
    }
    void* const made = static_cast<ConnectionArena*>(self)->allocate(count * bytes);
    return made == nullptr ? nullptr : std::memset(made, 0, count * bytes);
  };
  memory_.realloc = [](void* pointer, std::size_t bytes, void* self) {
    return static_cast<ConnectionArena*>(self)->reallocate(pointer, bytes);
  };
}

ConnectionArena::~ConnectionArena() {
  if (is_hibernating()) {
    wake();
  }
  for (const Chunk& chunk : chunks_) {
    pool_.chunks.release(chunk.begin, chunk.bytes);
  }
  gauge_.sub(accounted_bytes_);
}

void* ConnectionArena::allocate(std::size_t bytes) noexcept {
  if (bytes > kLargestAllocationBytes) {
    return nullptr;
  }
  const std::size_t rounded = (bytes + kHeaderBytes + kGranule - 1) / kGranule * kGranule;
  const std::size_t block_bytes = std::max(kSmallestBlock, rounded);
  Block* block = take_free(block_bytes);
  if (block == nullptr) {
    block = take_fresh(block_bytes);
  }
  return block == nullptr ? nullptr : block->payload();
}

ConnectionArena::Block* ConnectionArena::take_free(std::size_t bytes) {
  constexpr int kMostExamined = 16;  // in a class that may hold blocks that are too small
  if (heads_ == nullptr) {
    return nullptr;
  }
  const std::size_t first = class_of(bytes);
  Block* found = nullptr;
  int examined = 0;
  for (Block* at = heads_->first[first]; at != nullptr && examined < kMostExamined;
       at = at->next, ++examined) {
    if (at->bytes() >= bytes) {
      found = at;
      break;
    }
  }
  if (found == nullptr) {
    // Every block of a larger class is large enough.
    const std::uint64_t larger = heads_->occupied >> (first + 1);
    if (larger == 0) {
      return nullptr;
    }
    found = heads_->first[first + 1 + static_cast<std::size_t>(std::countr_zero(larger))];
  }
  unlink(*found);
  found->word &= ~kFree;
  found->behind().word &= ~kPreviousFree;
  shrink(*found, bytes);
  return found;
}

// Frees the part of a block behind its first `bytes`.
void ConnectionArena::shrink(Block& block, std::size_t bytes) {
  const std::size_t rest = block.bytes() - bytes;
  if (rest < kSmallestBlock) {
    return;
  }
  block.word = bytes | (block.word & kFlags);
  Block& left = block.behind();
  left.word = rest;
  release(left.payload());
}

ConnectionArena::Block* ConnectionArena::take_fresh(std::size_t bytes) {
  // In any chunk, because hibernate() removes the free blocks at the end of each chunk from the lists.
  const auto has_room = [bytes](const Chunk& chunk) { return chunk.bytes - chunk.used_bytes >= bytes; };
  auto found = std::ranges::find_if(chunks_, has_room);
  if (found == chunks_.end()) {
    if (!add_chunk(bytes)) {
      return nullptr;
    }
    found = std::prev(chunks_.end());
  }
  // The header of an empty block behind the new block ends the chunk.
  Chunk& chunk = *found;
  Block& block = *reinterpret_cast<Block*>(chunk.begin + chunk.used_bytes - kHeaderBytes);
  block.word = bytes | (block.word & kPreviousFree);
  chunk.used_bytes += bytes;
  block.behind().word = 0;
  account();
  return &block;
}

bool ConnectionArena::add_chunk(std::size_t bytes) {
  const std::size_t needed = std::bit_ceil(bytes + sizeof(Heads) + 2 * kGranule);
  const std::size_t growing = ChunkSource::kSmallestBytes << std::min<std::size_t>(chunks_.size(), 4);
  const std::size_t size = std::max(needed, growing);
  if (chunks_.size() == kMostChunks) {
    return false;
  }
  try {
    chunks_.reserve(chunks_.size() + 1);
  } catch (const std::bad_alloc&) {
    return false;
  }
  std::uint8_t* const begin = pool_.chunks.take(size);
  if (begin == nullptr) {
    return false;
  }
  std::size_t used = 0;
  if (heads_ == nullptr) {
    heads_ = new (begin) Heads;
    used = sizeof(Heads);
  }
  static_assert(sizeof(Heads) % kGranule == 0);
  chunks_.push_back({begin, size, used + kGranule});
  std::memset(begin + used, 0, kGranule);  // the second half is the header of the empty block
  return true;
}

void ConnectionArena::release(void* pointer) noexcept {
  if (pointer == nullptr) {
    return;
  }
  Block* block = &Block::of(pointer);
  if (block->behind().is_free()) {
    Block& behind = block->behind();
    unlink(behind);
    block->word += behind.bytes();
  }
  if (block->is_previous_free()) {
    Block& before = block->before();
    unlink(before);
    before.word += block->bytes();
    block = &before;
  }
  block->word |= kFree;
  const std::size_t bytes = block->bytes();
  std::memcpy(block->begin() + bytes - sizeof(bytes), &bytes, sizeof(bytes));
  block->behind().word |= kPreviousFree;
  link(*block);
}

void* ConnectionArena::reallocate(void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) {
    return allocate(bytes);
  }
  const std::size_t present = Block::of(pointer).bytes() - kHeaderBytes;
  if (bytes <= present) {
    return pointer;
  }
  void* const moved = allocate(bytes);
  if (moved != nullptr) {
    std::memcpy(moved, pointer, present);
    release(pointer);
  }
  return moved;
}

void ConnectionArena::link(Block& block) {
  const std::size_t index = class_of(block.bytes());
  block.previous = nullptr;
  block.next = heads_->first[index];
  if (block.next != nullptr) {
    block.next->previous = &block;
  }
  heads_->first[index] = &block;
  heads_->occupied |= std::uint64_t{1} << index;
}

void ConnectionArena::unlink(Block& block) {
  const std::size_t index = class_of(block.bytes());
  (block.previous == nullptr ? heads_->first[index] : block.previous->next) = block.next;
  if (block.next != nullptr) {
    block.next->previous = block.previous;
  }
  if (heads_->first[index] == nullptr) {
    heads_->occupied &= ~(std::uint64_t{1} << index);
  }
}

// Content of free memory is not needed, and zeros pack best. Free blocks at the end of a chunk are removed.
void ConnectionArena::clear_free_blocks() {
  for (Chunk& chunk : chunks_) {
    const std::size_t first = chunk.begin == reinterpret_cast<std::uint8_t*>(heads_) ? sizeof(Heads) : 0;
    auto* block = reinterpret_cast<Block*>(chunk.begin + first + kHeaderBytes);
    for (; block->bytes() != 0; block = &block->behind()) {
      if (!block->is_free()) {
        continue;
      }
      if (block->behind().bytes() == 0) {
        unlink(*block);
        block->word &= kPreviousFree;
        chunk.used_bytes = static_cast<std::size_t>(block->begin() + kHeaderBytes - chunk.begin);
        break;
      }
      constexpr std::size_t kKept = sizeof(Block) + sizeof(std::size_t);
      std::memset(block->begin() + sizeof(Block), 0, block->bytes() - kKept);
    }
  }
}

bool ConnectionArena::hibernate() {
  clear_free_blocks();
  account();
  if (used_bytes() > kLargestHibernatingBytes) {
    discard_unused();
    return false;
  }
  std::array<std::span<std::uint8_t>, kMostChunks> pieces;
  packed_ = pool_.packer.pack(used(pieces));
  if (!packed_.has_value()) {
    discard_unused();
    return false;
  }
  train_packer();
  for (const Chunk& chunk : chunks_) {
    pool_.chunks.pages().discard(chunk.begin, chunk.bytes);
  }
  account();
  return true;
}

// Discards the pages behind the used part of each chunk, which clear_free_blocks() may have shortened.
void ConnectionArena::discard_unused() {
  for (const Chunk& chunk : chunks_) {
    std::uint8_t* const unused = chunk.begin + whole_pages(chunk.used_bytes);
    const auto bytes = static_cast<std::size_t>(chunk.begin + chunk.bytes - unused);
    pool_.chunks.pages().discard(unused, bytes);
    pool_.chunks.pages().restore(unused, bytes);
  }
}

// Compares only connections that hibernate at the same time, so that no copy of a connection's memory is kept
// for it.
void ConnectionArena::train_packer() {
  if (pool_.packer.has_dictionary_for(*packed_)) {
    return;
  }
  if (pool_.training_sample != nullptr) {
    pool_.packer.train(*pool_.training_sample->packed_, *packed_);
  }
  pool_.training_sample = this;
}

void ConnectionArena::wake() {
  for (const Chunk& chunk : chunks_) {
    pool_.chunks.pages().restore(chunk.begin, chunk.bytes);
  }
  std::array<std::span<std::uint8_t>, kMostChunks> pieces;
  pool_.packer.unpack(*packed_, used(pieces));
  packed_.reset();
  if (pool_.training_sample == this) {
    pool_.training_sample = nullptr;
  }
  account();
}

std::span<const std::span<std::uint8_t>> ConnectionArena::used(
    std::array<std::span<std::uint8_t>, kMostChunks>& pieces) const {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    pieces[i] = {chunks_[i].begin, chunks_[i].used_bytes};
  }
  return std::span(pieces).first(chunks_.size());
}

std::size_t ConnectionArena::used_bytes() const {
  std::size_t bytes = 0;
  for (const Chunk& chunk : chunks_) {
    bytes += chunk.used_bytes;
  }
  return bytes;
}

void ConnectionArena::account() {
  const std::size_t bytes = resident_bytes();
  gauge_.add(bytes - accounted_bytes_);
  accounted_bytes_ = bytes;
}

std::size_t ConnectionArena::resident_bytes() const {
  if (is_hibernating()) {
    return packed_->bytes.held_bytes();
  }
  std::size_t bytes = 0;
  for (const Chunk& chunk : chunks_) {
    bytes += whole_pages(chunk.used_bytes);
  }
  return bytes;
}

}  // namespace knul::quic
