#include "quic/memory/block_chain.hpp"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <new>
#include <utility>

namespace knul::quic {

BlockChain::BlockChain(BlockChain&& other) noexcept
    : first_(std::move(other.first_)), size_(std::exchange(other.size_, 0)) {}

BlockChain& BlockChain::operator=(BlockChain&& other) noexcept {
  if (this != &other) {
    clear();
    first_ = std::move(other.first_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

bool BlockChain::assign(std::span<const std::uint8_t> bytes) noexcept {
  clear();
  size_ = bytes.size();
  for (std::unique_ptr<Block>* end = &first_; !bytes.empty(); end = &(*end)->next) {
    end->reset(new (std::nothrow) Block);
    if (*end == nullptr) {
      clear();
      return false;
    }
    const auto part = bytes.first(std::min(bytes.size(), kBlockBytes));
    std::ranges::copy(part, (*end)->bytes.begin());
    bytes = bytes.subspan(part.size());
  }
  return true;
}

void BlockChain::copy_to(std::span<std::uint8_t> to) const noexcept {
  for (const Block* block = first_.get(); block != nullptr; block = block->next.get()) {
    const std::size_t part = std::min(to.size(), kBlockBytes);
    std::copy_n(block->bytes.begin(), part, to.begin());
    to = to.subspan(part);
  }
}

// One by one: the destructor of a long chain would recurse once for each block.
void BlockChain::clear() noexcept {
  while (first_ != nullptr) {
    gnutls_memset(first_->bytes.data(), 0, first_->bytes.size());
    first_ = std::move(first_->next);
  }
  size_ = 0;
}

}  // namespace knul::quic
