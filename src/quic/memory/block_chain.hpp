// Bytes in a chain of small blocks, so that what one holder frees fits the next one's need.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace knul::quic {

// Wipes what it held: there are keys in it. Thread: one.
class BlockChain {
 public:
  BlockChain() = default;
  ~BlockChain() { clear(); }
  BlockChain(BlockChain&& other) noexcept;
  BlockChain& operator=(BlockChain&& other) noexcept;

  // A copy of `bytes` instead of what was there. False, and it is empty: memory is short.
  [[nodiscard]] bool assign(std::span<const std::uint8_t> bytes) noexcept;
  // `to` has size() bytes.
  void copy_to(std::span<std::uint8_t> to) const noexcept;
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const { return size_; }
  // The heap memory behind it.
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
