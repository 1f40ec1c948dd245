// One worker's part of a channel's arena: blocks of 32 KiB with reference counts. Each range (the bytes of
// one event) holds a reference to its block, and so does each open fill. A block without references is free.
// The free list is a stack, because the block that was freed last is still in the processor's cache.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "channel/region_layout.hpp"

namespace knul::channel {

// The block that gets the next bytes of one stream, or of all streams that share a block.
struct Fill {
  static constexpr std::uint32_t kNone = ~0U;
  std::uint32_t block = kNone;
  std::uint32_t used = 0;  // bytes from the start of the block

  [[nodiscard]] bool is_open() const { return block != kNone; }
};

// The stream or connection to which a range belongs until the program releases the range.
struct RangeOwner {
  std::uint32_t handle = 0;  // 0: none
  std::uint32_t length = 0;
};

// Thread: one. Offsets count from the start of the whole arena.
class ArenaPart {
 public:
  // `owners`: one for each granule of the whole arena. Lifetime: `arena` and `owners` outlive this object.
  ArenaPart(std::uint8_t* arena, RangeOwner* owners, std::uint32_t first_block, std::uint32_t blocks);

  // Closes the fill and gives it a new block. False: no block is free, and the fill is unchanged. If `pinned`
  // is not null, `*pinned` counts the new block until the block is free again.
  // Lifetime: `*pinned` lives until then.
  bool open(Fill& fill, std::uint32_t* pinned = nullptr);
  void close(Fill& fill);
  // The maximum length of a new range in the fill. If all ranges of the block are released, the fill begins
  // again at the start of the block.
  [[nodiscard]] std::size_t room(Fill& fill);
  // Starts a range with as many of `bytes` as fit. Requires that `bytes` is not empty and room() is above 0.
  struct Placed {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
  };
  Placed add_range(Fill& fill, std::uint32_t owner, std::span<const std::uint8_t> bytes);
  // Adds bytes to the range if it is the last one of the fill. Returns the number of bytes added.
  std::size_t extend_range(Fill& fill, Placed range, std::span<const std::uint8_t> bytes);

  // Ends the range that starts at `offset` and returns its owner. Length 0: no range starts there.
  struct Released : RangeOwner {
    bool is_pinned = false;  // its block was opened with a counter
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
  std::vector<std::uint32_t*> pinned_;     // by block; null: the block has no counter
  std::vector<std::uint32_t> free_;        // a stack
};

}  // namespace knul::channel
