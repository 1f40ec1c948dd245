// The recycled memory of one endpoint's streams, their send buffers, and unsent DATAGRAMs. In steady state
// none of it is allocated from the global heap or freed to it.
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

// Blocks in powers of two. At most kKeptBytes of each size are kept unused, so that the memory of a flood is
// freed. Thread: one. Lifetime: outlives the blocks.
class BlockPool {
 public:
  static constexpr std::size_t kSmallestBytes = 64;
  static constexpr std::size_t kLargestBytes = 64 * 1'024;
  static constexpr std::size_t kKeptBytes = 4 << 20;

  // Lifetime: `counters` outlives this object.
  explicit BlockPool(stats::WorkerCounters& counters) : counters_(counters) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // The size of the block for `bytes`.
  [[nodiscard]] static constexpr std::size_t block_bytes(std::size_t bytes) {
    return std::bit_ceil(std::max(bytes, kSmallestBytes));
  }
  // Returns at least `bytes`, aligned for any type; 0 < bytes <= kLargestBytes. Throws std::bad_alloc.
  [[nodiscard]] void* take(std::size_t bytes);
  // `bytes` is the number given to take().
  void release(void* block, std::size_t bytes) noexcept;

 private:
  struct Size {
    base::FreeBlocks free;
    std::size_t kept_bytes = 0;
  };
  static constexpr std::size_t kSizes = 11;

  stats::WorkerCounters& counters_;
  std::array<Size, kSizes> sizes_;
};

// Owns one block of a pool. Empty by default.
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
      pool_->release(data_, bytes_);
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

// For containers: memory from the pool, or from the heap if it is too large for the pool.
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
      pool->release(block, bytes);
    } else {
      ::operator delete(block);
    }
  }
  bool operator==(const BlockAllocator&) const = default;

  BlockPool* pool;
};

// An owning pointer to an object in a block.
template <class T>
struct PooledDelete {
  BlockPool* pool = nullptr;
  void operator()(T* object) const {
    object->~T();
    pool->release(object, sizeof(T));
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
