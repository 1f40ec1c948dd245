#include "channel/write_buffers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "base/free_blocks.hpp"

namespace knul::channel {
namespace {

// The reference counts of std::shared_ptr are in the same block.
constexpr std::size_t kCountsBytes = 128;

// Sizes without the reference counts. Each size is at most 1.5 times the previous one, so at most a third of
// a block is unused.
constexpr std::array<std::size_t, 13> kSizes = {1'024,  1'536,  2'048,  3'072,  4'096,  6'144, 8'192,
                                                12'288, 16'384, 24'576, 32'768, 49'152, 65'536};
static_assert(kSizes.front() == WriteBuffers::kSmallestBytes && kSizes.back() == WriteBuffers::kLargestBytes);

// The index of the smallest size that fits; kSizes.size() if the block is larger than all sizes.
std::size_t index_of(std::size_t block_bytes) {
  const auto fits = [=](std::size_t size) { return size + kCountsBytes >= block_bytes; };
  return static_cast<std::size_t>(std::ranges::find_if(kSizes, fits) - kSizes.begin());
}

}  // namespace

class WriteBuffers::Store {
 public:
  void* take(std::size_t bytes) {
    const std::size_t index = index_of(bytes);
    if (index == kSizes.size()) {
      return ::operator new(bytes);
    }
    {
      const std::lock_guard lock(mutex_);
      Size& size = sizes_[index];
      if (void* const block = size.free.take()) {
        size.kept_bytes -= kSizes[index];
        add_kept(-static_cast<std::ptrdiff_t>(kSizes[index]));
        return block;
      }
    }
    return ::operator new(kSizes[index] + kCountsBytes);
  }

  void give(void* block, std::size_t bytes) noexcept {
    if (const std::size_t index = index_of(bytes); index < kSizes.size()) {
      const std::lock_guard lock(mutex_);
      Size& size = sizes_[index];
      if (size.kept_bytes < kKeptBytes && kept_bytes() < kKeptBytesInAll) {
        size.kept_bytes += kSizes[index];
        add_kept(static_cast<std::ptrdiff_t>(kSizes[index]));
        size.free.put(block);
        return;
      }
    }
    ::operator delete(block);
  }

  [[nodiscard]] std::size_t kept_bytes() const { return kept_bytes_.load(std::memory_order_relaxed); }

 private:
  // Thread: with mutex_ held.
  void add_kept(std::ptrdiff_t bytes) {
    kept_bytes_.store(kept_bytes() + static_cast<std::size_t>(bytes), std::memory_order_relaxed);
  }

  struct Size {
    base::FreeBlocks free;
    std::size_t kept_bytes = 0;
  };

  std::mutex mutex_;
  std::array<Size, kSizes.size()> sizes_;
  std::atomic<std::size_t> kept_bytes_{0};
};

template <class T>
struct WriteBuffers::Allocator {
  using value_type = T;

  explicit Allocator(std::shared_ptr<Store> from) : store(std::move(from)) {}
  template <class Other>
  Allocator(const Allocator<Other>& other) : store(other.store) {}

  T* allocate(std::size_t count) { return static_cast<T*>(store->take(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) noexcept { store->give(block, count * sizeof(T)); }
  bool operator==(const Allocator&) const = default;

  std::shared_ptr<Store> store;
};

WriteBuffers::WriteBuffers() : store_(std::make_shared<Store>()) {}
WriteBuffers::~WriteBuffers() = default;

std::shared_ptr<std::uint8_t[]> WriteBuffers::make(std::size_t bytes) {
  return std::allocate_shared_for_overwrite<std::uint8_t[]>(Allocator<std::uint8_t>(store_), bytes);
}

std::size_t WriteBuffers::kept_bytes() const { return store_->kept_bytes(); }

krepis::SharedBytes WriteBuffers::copy(std::span<const std::uint8_t> bytes) {
  std::shared_ptr<std::uint8_t[]> buffer = make(bytes.size());
  std::memcpy(buffer.get(), bytes.data(), bytes.size());
  const std::span<const std::uint8_t> copied(buffer.get(), bytes.size());
  return {std::move(buffer), copied};
}

}  // namespace knul::channel
