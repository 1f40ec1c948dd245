// Packs memory that is mostly zeros, small numbers and pointers into itself, and brings it back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace knul::quic {

// For the same process only.
struct PackedMemory {
  std::unique_ptr<std::uint8_t[]> bytes;  // null: none
  std::size_t size = 0;
  std::size_t plain_size = 0;  // before it was deflated; equal to size: it was not
};

// Thread: one. Keeps its working memory, some 300 KB once something large was packed: what was packed can
// always be unpacked.
class MemoryPacker {
 public:
  using Pieces = std::span<const std::span<std::uint8_t>>;

  MemoryPacker();
  ~MemoryPacker();
  MemoryPacker(const MemoryPacker&) = delete;
  MemoryPacker& operator=(const MemoryPacker&) = delete;

  // Pieces are aligned to 8 bytes and a multiple of 8 bytes long. Null bytes: memory is short.
  [[nodiscard]] PackedMemory pack(Pieces pieces) noexcept;
  // What this object packed. `pieces` are the same, at the same addresses, all zeros.
  void unpack(const PackedMemory& packed, Pieces pieces) noexcept;

 private:
  struct Streams;

  [[nodiscard]] std::span<const std::uint8_t> deflate(std::span<const std::uint8_t> plain);

  std::vector<std::uint8_t> plain_;
  std::vector<std::uint8_t> deflated_;
  std::unique_ptr<Streams> streams_;
};

}  // namespace knul::quic
