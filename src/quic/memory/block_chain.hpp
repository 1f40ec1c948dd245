// Bytes in a chain of small blocks of equal size, so that the blocks freed by one holder fit the next.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace knul::quic {

// Wipes its content, which has keys. Thread: one.
class BlockChain {
 public:
  BlockChain() = default;
  ~BlockChain() { clear(); }
  BlockChain(BlockChain&& other) noexcept;
  BlockChain& operator=(BlockChain&& other) noexcept;

  // Replaces the content by a copy of `bytes`. False: memory is short, and the chain is empty.
  [[nodiscard]] bool assign(std::span<const std::uint8_t> bytes) noexcept;
  // Requires that `to` has size() bytes.
  void copy_to(std::span<std::uint8_t> to) const noexcept;
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const { return size_; }
  // The heap memory of all blocks.
  [[nodiscard]] std::size_t held_bytes() const {
    return (size_ + kBlockBytes - 1) / kBlockBytes * (kBlockBytes + kOverheadBytes);
  }

  static constexpr std::size_t kOverheadBytes = 2 * sizeof(void*);  // the link, and malloc's header
  static constexpr std::size_t kBlockBytes = 512 - kOverheadBytes;

 private:
  struct Block {
    std::unique_ptr<Block> next;
    std::array<std::uint8_t, kBlockBytes> bytes;
  };
  static_assert(sizeof(Block) == kBlockBytes + sizeof(void*));

  std::unique_ptr<Block> first_;
  std::size_t size_ = 0;
};

}  // namespace knul::quic
