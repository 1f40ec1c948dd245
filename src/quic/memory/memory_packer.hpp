// Packs memory that is mostly zeros, small numbers and pointers into itself, and brings it back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "quic/memory/block_chain.hpp"
#include "quic/memory/wiping_allocator.hpp"

namespace knul::quic {

// For the same packer only.
struct PackedMemory {
  enum class Form : std::uint8_t { kPlain, kCompressed, kCompressedByDictionary };

  BlockChain bytes;
  std::uint32_t plain_size = 0;  // before it was compressed
  Form form = Form::kPlain;
};

// Thread: one. Keeps its working memory, some 600 KB, or three times what the largest memory was: what was
// packed can always be unpacked. What goes back to the heap is wiped.
class MemoryPacker {
 public:
  using Pieces = std::span<const std::span<std::uint8_t>>;

  MemoryPacker();
  ~MemoryPacker();
  MemoryPacker(const MemoryPacker&) = delete;
  MemoryPacker& operator=(const MemoryPacker&) = delete;

  // Pieces are aligned to 8 bytes and a multiple of 8 bytes long, less than 1 GiB in all. Nothing: memory is
  // short.
  [[nodiscard]] std::optional<PackedMemory> pack(Pieces pieces) noexcept;
  // What this object packed. `pieces` are the same, at the same addresses, all zeros.
  void unpack(const PackedMemory& packed, Pieces pieces) noexcept;

  // Packs what is like these two better from now on. They belong to two connections, so that what they have
  // in common is not secret. No effect if only one of them carried a burst, if they have little in common, or
  // if memory is short.
  void learn(const PackedMemory& one, const PackedMemory& other) noexcept;
  // Whether it learnt of memory like this.
  [[nodiscard]] bool knows(const PackedMemory& packed) const {
    return dictionaries_[kind_of(packed.plain_size)] != nullptr;
  }

 private:
  struct Compressor;
  class Dictionary;
  using WipedBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

  // Above, a connection has carried a burst.
  static constexpr std::size_t kLargeBytes = 8 * 1'024;
  static std::size_t kind_of(std::size_t plain_size) { return plain_size > kLargeBytes ? 1 : 0; }

  [[nodiscard]] std::span<const std::uint8_t> to_plain(Pieces pieces);
  [[nodiscard]] std::size_t compress(std::span<const std::uint8_t> plain, const Dictionary* dictionary);
  [[nodiscard]] std::span<const std::uint8_t> plain_of(const PackedMemory& packed) noexcept;

  WipedBytes plain_;
  WipedBytes compressed_;
  std::unique_ptr<Compressor> compressor_;
  std::array<std::size_t, 2> attempts_{};  // to learn, by kind
  // By kind. Never replaced, as what was packed needs them.
  std::array<std::unique_ptr<const Dictionary>, 2> dictionaries_;
};

}  // namespace knul::quic
