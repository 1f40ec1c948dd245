// Memory that one endpoint uses again and again: streams, the bytes that they have to send, and unsent
// DATAGRAMs. In steady state none of it comes from the global heap, and none of it is freed there.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "base/free_blocks.hpp"
#include "stats/worker_counters.hpp"

namespace knul::quic {

// Blocks by powers of two. Of each size at most kKeptBytes are kept while unused, so that what a flood took
// goes back. Thread: one. Lifetime: longer than the blocks.
class BlockPool {
 public:
  static constexpr std::size_t kSmallestBytes = 64;
  static constexpr std::size_t kLargestBytes = 64 * 1'024;
  static constexpr std::size_t kKeptBytes = 4 << 20;

  // Lifetime: `counters` longer.
  explicit BlockPool(stats::WorkerCounters& counters) : counters_(counters) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // The size of the block for `bytes`.
  [[nodiscard]] static constexpr std::size_t block_bytes(std::size_t bytes) {
    return std::bit_ceil(std::max(bytes, kSmallestBytes));
  }
  // At least `bytes`, aligned for anything; 0 < bytes <= kLargestBytes. Throws std::bad_alloc.
  [[nodiscard]] void* take(std::size_t bytes);
  // `bytes` as it was taken.
  void give(void* block, std::size_t bytes) noexcept;

 private:
  struct Size {
    base::FreeBlocks free;
    std::size_t kept_bytes = 0;
  };
  static constexpr std::size_t kSizes = 11;

  stats::WorkerCounters& counters_;
  std::array<Size, kSizes> sizes_;
};

// One block and where it goes. Empty by default.
class PooledBlock {
 public:
  PooledBlock() = default;
  PooledBlock(BlockPool& pool, std::size_t bytes) : pool_(&pool), data_(pool.take(bytes)), bytes_(bytes) {}
  PooledBlock(PooledBlock&& other) noexcept { swap(other); }
  PooledBlock& operator=(PooledBlock&& other) noexcept {
    PooledBlock(std::move(other)).swap(*this);
    return *this;
  }
  ~PooledBlock() {
    if (data_ != nullptr) {
      pool_->give(data_, bytes_);
    }
  }

  [[nodiscard]] bool is_empty() const { return data_ == nullptr; }
  [[nodiscard]] std::uint8_t* data() const { return static_cast<std::uint8_t*>(data_); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  void swap(PooledBlock& other) {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  BlockPool* pool_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// For containers whose memory comes from the pool, as long as it is not too large for it.
template <class T>
struct BlockAllocator {
  using value_type = T;

  explicit BlockAllocator(BlockPool& from) noexcept : pool(&from) {}
  template <class Other>
  BlockAllocator(const BlockAllocator<Other>& other) noexcept : pool(other.pool) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    return static_cast<T*>(bytes <= BlockPool::kLargestBytes ? pool->take(bytes) : ::operator new(bytes));
  }
  void deallocate(T* block, std::size_t count) noexcept {
    const std::size_t bytes = count * sizeof(T);
    if (bytes <= BlockPool::kLargestBytes) {
      pool->give(block, bytes);
    } else {
      ::operator delete(block);
    }
  }
  bool operator==(const BlockAllocator&) const = default;

  BlockPool* pool;
};

// An object in a block, and the pointer that owns it.
template <class T>
struct PooledDelete {
  BlockPool* pool = nullptr;
  void operator()(T* object) const {
    object->~T();
    pool->give(object, sizeof(T));
  }
};
template <class T>
using PooledPtr = std::unique_ptr<T, PooledDelete<T>>;

template <class T, class... Arguments>
[[nodiscard]] PooledPtr<T> make_pooled(BlockPool& pool, Arguments&&... arguments) {
  static_assert(alignof(T) <= alignof(std::max_align_t) && sizeof(T) <= BlockPool::kLargestBytes);
  static_assert(std::is_nothrow_constructible_v<T, Arguments...>, "the block would be lost");
  return PooledPtr<T>(new (pool.take(sizeof(T))) T(std::forward<Arguments>(arguments)...), {&pool});
}

}  // namespace knul::quic
