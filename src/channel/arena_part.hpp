// One worker's share of a channel's arena: blocks of 32 KiB with reference counts. A range (the bytes of one
// event) holds a reference to its block, and so does each fill that still adds to it; a block without any is
// free. The last one freed is the next one taken, because it is in the processor's cache. A block that is
// taken for one holder counts whole for it, however little it keeps there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "channel/region_layout.hpp"

namespace knul::channel {

// Where a stream, or all small ones together, add bytes.
struct Fill {
  static constexpr std::uint32_t kNone = ~0U;
  std::uint32_t block = kNone;
  std::uint32_t used = 0;  // bytes of the block

  [[nodiscard]] bool is_open() const { return block != kNone; }
};

// Who gets the credit when a range is released.
struct RangeOwner {
  std::uint32_t handle = 0;  // of a stream or a connection; 0: nobody
  std::uint32_t length = 0;
};

// Thread: one. Offsets are of the whole arena.
class ArenaPart {
 public:
  // `owners`: one for each granule of the arena. Lifetime: both longer.
  ArenaPart(std::uint8_t* arena, RangeOwner* owners, std::uint32_t first_block, std::uint32_t blocks);

  // Gives the fill a new block. False: none is free. `pinned`, if not null, counts the holder's blocks, and
  // counts this one until it is free again. Lifetime: `*pinned` lives until then.
  bool open(Fill& fill, std::uint32_t* pinned = nullptr);
  void close(Fill& fill);
  // Bytes that a new range in the fill may have.
  [[nodiscard]] std::size_t room(Fill& fill);
  // Starts a range with as many of `bytes` as there is room for; not empty, room above 0.
  struct Placed {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
  };
  Placed add_range(Fill& fill, std::uint32_t owner, std::span<const std::uint8_t> bytes);
  // Adds to the range if it is the fill's last; the bytes taken.
  std::size_t extend_range(Fill& fill, Placed range, std::span<const std::uint8_t> bytes);

  // Ends the range that starts there; who had it.
  struct Released : RangeOwner {
    bool is_pinned = false;  // the block counted for its holder
  };
  Released release(std::uint32_t offset);

  [[nodiscard]] std::size_t free_bytes() const { return free_.size() * kBlockBytes; }
  [[nodiscard]] std::size_t free_blocks() const { return free_.size(); }
  [[nodiscard]] std::size_t blocks() const { return references_.size(); }

 private:
  void unreference(std::uint32_t block);

  std::uint8_t* arena_;
  RangeOwner* owners_;
  std::uint32_t first_block_;
  std::vector<std::uint32_t> references_;  // by block, from first_block_
  std::vector<std::uint32_t*> pinned_;     // the same; null: the block is for all
  std::vector<std::uint32_t> free_;        // a stack
};

}  // namespace knul::channel
