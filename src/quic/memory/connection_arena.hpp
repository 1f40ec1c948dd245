// The QUIC library's memory for one connection, in its own pages, so that an idle connection can hibernate:
// the memory is packed, the pages go back to the kernel, and later the same bytes are restored at the same
// addresses.
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

// Shared by the arenas of one endpoint. Lifetime: outlives them. Thread: one.
struct ArenaPool {
  ArenaPool(base::PageSource& pages, stats::Gauge& kept) : chunks(pages, kept) {}

  ChunkSource chunks;
  MemoryPacker packer;
  // A hibernating arena, or null. Its memory and that of the next arena to hibernate train the packer.
  const ConnectionArena* training_sample = nullptr;
};

// A heap: good fit by size classes; freed neighbours are joined. The library calls it when it makes objects,
// not for every packet. Thread: one. Lifetime: outlives the ngtcp2_conn made with memory().
class ConnectionArena {
 public:
  // Adds resident_bytes() to `memory`. Lifetime: both arguments outlive this object.
  ConnectionArena(ArenaPool& pool, stats::Gauge& memory);
  ~ConnectionArena();
  ConnectionArena(const ConnectionArena&) = delete;
  ConnectionArena& operator=(const ConnectionArena&) = delete;

  // For the library. Its functions return null when memory is short. Lifetime: this object.
  [[nodiscard]] const ngtcp2_mem& memory() const { return memory_; }

  // Packs the arena. Its memory must not be used until wake(). False: nothing has changed, because more than
  // kLargestHibernatingBytes are in use, including the holes between blocks, or memory for the copy is short.
  bool hibernate();
  // Restores the memory. Requires is_hibernating().
  void wake();
  [[nodiscard]] bool is_hibernating() const { return packed_.has_value(); }

  // The pages up to the last page in use; while it hibernates, the packed copy.
  [[nodiscard]] std::size_t resident_bytes() const;
  // The most that hibernate() would pack.
  [[nodiscard]] std::size_t used_bytes() const;

  static constexpr std::size_t kLargestHibernatingBytes = 1 << 20;
  // Larger allocations fail.
  static constexpr std::size_t kLargestAllocationBytes = ChunkSource::kLargestBytes - 1'024;

 private:
  static constexpr std::size_t kMostChunks = 64;  // of growing sizes, 60 MiB in all
  struct Block;
  struct Heads;
  struct Chunk {
    std::uint8_t* begin;
    std::size_t bytes;
    std::size_t used_bytes;  // from the beginning; ends with the header of an empty block
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
  void train_packer();
  void discard_unused();
  void account();
  [[nodiscard]] std::span<const std::span<std::uint8_t>> used(
      std::array<std::span<std::uint8_t>, kMostChunks>& pieces) const;

  ArenaPool& pool_;
  stats::Gauge& gauge_;
  std::size_t accounted_bytes_ = 0;  // the part of gauge_ for this arena
  ngtcp2_mem memory_;
  std::vector<Chunk> chunks_;
  Heads* heads_ = nullptr;  // at the beginning of the first chunk
  std::optional<PackedMemory> packed_;
};

}  // namespace knul::quic
