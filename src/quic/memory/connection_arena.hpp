// All memory that the QUIC library takes for one connection, in pages of its own, so that it can be put away
// while the connection is idle: it is packed, the pages go back to the kernel, and later the same bytes
// stand at the same addresses again.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quic/memory/chunk_source.hpp"
#include "quic/memory/memory_packer.hpp"
#include "stats/counter.hpp"

namespace knul::quic {

class ConnectionArena;

// What the arenas of one endpoint share. Lifetime: longer than they. Thread: one.
struct ArenaPool {
  ArenaPool(base::PageSource& pages, stats::Gauge& kept) : chunks(pages, kept) {}

  ChunkSource chunks;
  MemoryPacker packer;
  const ConnectionArena* example = nullptr;  // asleep; the packer may learn from it and the next one
};

// A heap: good fit by classes of size, neighbours joined when freed. It is asked when objects are made, not
// per packet. Thread: one. Lifetime: longer than the ngtcp2_conn made with memory().
class ConnectionArena {
 public:
  // `memory` is raised by resident_bytes(). Lifetime: both longer.
  ConnectionArena(ArenaPool& pool, stats::Gauge& memory);
  ~ConnectionArena();
  ConnectionArena(const ConnectionArena&) = delete;
  ConnectionArena& operator=(const ConnectionArena&) = delete;

  // For the library. Its functions give null when memory is short. Lifetime: this object.
  [[nodiscard]] const ngtcp2_mem& memory() const { return memory_; }

  // Puts everything away; until wake() nothing in it may be touched. False, and all contents are as before:
  // more than kLargestAsleepBytes are in use, the holes between them included, or memory for the copy was
  // short.
  bool sleep();
  // Brings everything back. Only while asleep.
  void wake();
  [[nodiscard]] bool is_asleep() const { return packed_.has_value(); }

  // Awake: the pages up to the last one in use. Asleep: the packed copy.
  [[nodiscard]] std::size_t resident_bytes() const;
  // What sleep() would have to pack, at most.
  [[nodiscard]] std::size_t used_bytes() const;

  static constexpr std::size_t kLargestAsleepBytes = 1 << 20;
  // At most; more is refused.
  static constexpr std::size_t kLargestAllocationBytes = ChunkSource::kLargestBytes - 1'024;

 private:
  static constexpr std::size_t kMostChunks = 64;  // of growing sizes, 60 MiB in all
  struct Block;
  struct Heads;
  struct Chunk {
    std::uint8_t* begin;
    std::size_t bytes;
    std::size_t used_bytes;  // from the beginning, ends with the header of an empty block
  };

  void* allocate(std::size_t bytes) noexcept;
  void release(void* pointer) noexcept;
  void* reallocate(void* pointer, std::size_t bytes) noexcept;
  Block* take_free(std::size_t bytes);
  Block* take_fresh(std::size_t bytes);
  bool add_chunk(std::size_t bytes);
  void shrink(Block& block, std::size_t bytes);
  void link(Block& block);
  void unlink(Block& block);
  void clear_free_blocks();
  void teach();
  void discard_unused();
  void account();
  [[nodiscard]] std::span<const std::span<std::uint8_t>> used(
      std::array<std::span<std::uint8_t>, kMostChunks>& pieces) const;

  ArenaPool& pool_;
  stats::Gauge& gauge_;
  std::size_t accounted_bytes_ = 0;  // in gauge_
  ngtcp2_mem memory_;
  std::vector<Chunk> chunks_;
  Heads* heads_ = nullptr;  // at the beginning of the first chunk
  std::optional<PackedMemory> packed_;
};

}  // namespace knul::quic
