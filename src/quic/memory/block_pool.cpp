#include "quic/memory/block_pool.hpp"

#include <bit>

namespace knul::quic {
namespace {

constexpr unsigned kSmallestBits = 6;
static_assert(BlockPool::kSmallestBytes == std::size_t{1} << kSmallestBits);

unsigned index_of(std::size_t bytes) {
  return static_cast<unsigned>(std::countr_zero(BlockPool::block_bytes(bytes))) - kSmallestBits;
}

std::size_t size_of(unsigned index) { return BlockPool::kSmallestBytes << index; }

}  // namespace

BlockPool::~BlockPool() {
  for (const Size& size : sizes_) {
    counters_.pool_kept_bytes.sub(size.kept_bytes);
  }
}

void* BlockPool::take(std::size_t bytes) {
  const unsigned index = index_of(bytes);
  Size& size = sizes_[index];
  void* block = size.free.take();
  if (block == nullptr) {
    block = ::operator new(size_of(index));
    counters_.pool_blocks_allocated.add();
  } else {
    counters_.pool_blocks_reused.add();
    counters_.pool_kept_bytes.sub(size_of(index));
    size.kept_bytes -= size_of(index);
  }
  counters_.pool_used_bytes.add(size_of(index));
  return block;
}

void BlockPool::release(void* block, std::size_t bytes) noexcept {
  const unsigned index = index_of(bytes);
  Size& size = sizes_[index];
  counters_.pool_used_bytes.sub(size_of(index));
  if (size.kept_bytes >= kKeptBytes) {
    ::operator delete(block);
    return;
  }
  counters_.pool_kept_bytes.add(size_of(index));
  size.kept_bytes += size_of(index);
  size.free.put(block);
}

}  // namespace knul::quic
