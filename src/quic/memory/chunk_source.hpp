// Pieces of address space for the arenas of one endpoint's connections.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/page_source.hpp"
#include "stats/counter.hpp"

namespace knul::quic {

// Chunks are parts of a few large reservations, because a process may have only 65,530 mappings. Thread: one.
// Lifetime: outlives the chunks.
class ChunkSource {
 public:
  static constexpr std::size_t kSmallestBytes = 64 * 1'024;
  static constexpr std::size_t kLargestBytes = 4 << 20;
  static constexpr std::size_t kWarmChunks = 64;  // of the smallest size, kept with their pages

  // `kept` counts the memory of warm chunks. Lifetime: both outlive this object.
  ChunkSource(base::PageSource& pages, stats::Gauge& kept) : pages_(pages), kept_bytes_(kept) {}
  ~ChunkSource();
  ChunkSource(const ChunkSource&) = delete;
  ChunkSource& operator=(const ChunkSource&) = delete;

  // `bytes` is kSmallestBytes times a power of two, at most kLargestBytes. The content is undefined. Null:
  // memory is short.
  [[nodiscard]] std::uint8_t* take(std::size_t bytes) noexcept;
  // Returns a chunk of take(). Its memory goes back to the system.
  void release(std::uint8_t* chunk, std::size_t bytes) noexcept;
  [[nodiscard]] base::PageSource& pages() const { return pages_; }

 private:
  struct Reservation {
    std::uint8_t* begin;
    std::size_t bytes;
  };
  static constexpr std::size_t kSizes = 7;

  [[nodiscard]] std::uint8_t* cut(std::size_t bytes);

  base::PageSource& pages_;
  stats::Gauge& kept_bytes_;
  std::vector<Reservation> reservations_;
  std::size_t used_bytes_ = 0;  // in the last reservation
  std::array<std::vector<std::uint8_t*>, kSizes> free_;
  std::array<std::size_t, kSizes> made_{};
  std::array<std::uint8_t*, kWarmChunks> warm_{};
  std::size_t warm_count_ = 0;
};

}  // namespace knul::quic
