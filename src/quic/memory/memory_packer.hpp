// Packs and unpacks memory that is mostly zeros, small numbers and pointers into itself.
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

// Only the packer that made it can unpack it, because that packer has the dictionary.
struct PackedMemory {
  enum class Form : std::uint8_t { kPlain, kCompressed, kCompressedByDictionary };

  BlockChain bytes;
  std::uint32_t plain_size = 0;  // before compression
  Form form = Form::kPlain;
};

// Keeps some 600 KB of working memory, or three times the largest packed memory, so that unpack() cannot
// fail. Freed memory is wiped. Thread: one.
class MemoryPacker {
 public:
  using Pieces = std::span<const std::span<std::uint8_t>>;

  MemoryPacker();
  ~MemoryPacker();
  MemoryPacker(const MemoryPacker&) = delete;
  MemoryPacker& operator=(const MemoryPacker&) = delete;

  // Pieces are aligned to 8 bytes, a multiple of 8 bytes long, and less than 1 GiB in all. Nothing: memory is
  // short.
  [[nodiscard]] std::optional<PackedMemory> pack(Pieces pieces) noexcept;
  // `packed` is a result of this object. `pieces` are the same, at the same addresses, filled with zeros.
  void unpack(const PackedMemory& packed, Pieces pieces) noexcept;

  // Makes a dictionary of the bytes that both have in common, for memory of the same kind. They belong to two
  // connections, so their common bytes are not secret. No effect if only one of them carried a burst, if they
  // have little in common, or if memory is short.
  void train(const PackedMemory& one, const PackedMemory& other) noexcept;
  // True if the packer was trained with memory of this kind.
  [[nodiscard]] bool has_dictionary_for(const PackedMemory& packed) const {
    return dictionaries_[kind_of(packed.plain_size)] != nullptr;
  }

 private:
  struct Compressor;
  class Dictionary;
  using WipedBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

  // A larger image shows that its connection has carried a burst.
  static constexpr std::size_t kLargeBytes = 8 * 1'024;
  static std::size_t kind_of(std::size_t plain_size) { return plain_size > kLargeBytes ? 1 : 0; }

  [[nodiscard]] std::span<const std::uint8_t> to_plain(Pieces pieces);
  [[nodiscard]] std::size_t compress(std::span<const std::uint8_t> plain, const Dictionary* dictionary);
  [[nodiscard]] std::span<const std::uint8_t> plain_of(const PackedMemory& packed) noexcept;

  WipedBytes plain_;
  WipedBytes compressed_;
  std::unique_ptr<Compressor> compressor_;
  std::array<std::size_t, 2> training_attempts_{};  // of train(), by kind
  // By kind. Never replaced, because memory packed with one needs it.
  std::array<std::unique_ptr<const Dictionary>, 2> dictionaries_;
};

}  // namespace knul::quic
