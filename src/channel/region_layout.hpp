// The layout of a channel's region: the rings, then the arena.
#pragma once

#include <cstddef>
#include <cstdint>

namespace knul::channel {

inline constexpr std::size_t kRingHeaderBytes = 256;
inline constexpr std::size_t kTailOffset = 0;  // tail and head on separate cache lines
inline constexpr std::size_t kHeadOffset = 64;
inline constexpr std::size_t kRecordBytes = 64;
inline constexpr std::size_t kBlockBytes = 32 << 10;  // the arena's unit of allocation
inline constexpr std::size_t kGranuleBytes = 64;      // the alignment of ranges

struct RegionLayout {
  // Each worker gets the same number of blocks, at least four. The last block is for the report of
  // SERVER_STOPPED.
  static constexpr RegionLayout make(std::size_t workers, std::size_t ring_records, std::size_t arena_bytes) {
    constexpr std::size_t kPage = 4'096;
    constexpr std::size_t kFewestBlocks = 4;
    const auto round_up = [](std::size_t value, std::size_t unit) {
      return (value + unit - 1) / unit * unit;
    };
    RegionLayout layout;
    layout.rings = workers;
    layout.ring_records = ring_records;
    layout.ring_stride = round_up(kRingHeaderBytes + ring_records * kRecordBytes, kPage);
    layout.arena_offset = workers * layout.ring_stride;
    const std::size_t blocks = round_up(arena_bytes, kBlockBytes * workers) / (kBlockBytes * workers);
    layout.blocks_per_worker = blocks < kFewestBlocks ? kFewestBlocks : blocks;
    layout.arena_bytes = (layout.blocks_per_worker * workers + 1) * kBlockBytes;
    layout.bytes = layout.arena_offset + layout.arena_bytes;
    return layout;
  }

  [[nodiscard]] constexpr std::size_t granules() const { return arena_bytes / kGranuleBytes; }
  [[nodiscard]] constexpr std::size_t worker_of(std::size_t arena_at) const {
    return arena_at / kBlockBytes / blocks_per_worker;
  }
  // The offset in the arena of the report of SERVER_STOPPED.
  [[nodiscard]] constexpr std::size_t report_offset() const { return arena_bytes - kBlockBytes; }

  std::size_t rings = 0;
  std::size_t ring_records = 0;
  std::size_t ring_stride = 0;
  std::size_t arena_offset = 0;
  std::size_t arena_bytes = 0;
  std::size_t blocks_per_worker = 0;
  std::size_t bytes = 0;
};

}  // namespace knul::channel
