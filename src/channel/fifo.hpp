// A queue that takes nothing from the heap while as many elements come as go, and nothing at all as long as
// nothing was put into it. std::deque allocates for every few elements that pass, and 600 bytes for none.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace knul::channel {

// A ring that doubles when it is full. Empty, it keeps its memory if that is at most kKeptBytes. References
// are valid until the next push. Thread: one.
template <class T, std::size_t kKeptBytes = 4 << 10>
class Fifo {
  static_assert(std::is_nothrow_move_constructible_v<T>);

 public:
  Fifo() = default;
  Fifo(Fifo&& other) noexcept { swap(other); }
  Fifo& operator=(Fifo&& other) noexcept {
    Fifo(std::move(other)).swap(*this);
    return *this;
  }
  ~Fifo() {
    clear();
    free_memory();
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // For these three the queue is not empty.
  [[nodiscard]] T& front() { return *place_of(0); }
  [[nodiscard]] const T& front() const { return *place_of(0); }
  [[nodiscard]] T& back() { return *place_of(size_ - 1); }

  // Throws std::bad_alloc, and is then as before.
  void push(T value) {
    if (size_ == capacity_) {
      grow();
    }
    std::construct_at(place_of(size_), std::move(value));
    ++size_;
  }
  void pop() {
    assert(!empty());
    std::destroy_at(place_of(0));
    first_ = (first_ + 1) & (capacity_ - 1);
    if (--size_ == 0 && capacity_ * sizeof(T) > kKeptBytes) {
      free_memory();
    }
  }
  void clear() {
    while (!empty()) {
      pop();
    }
  }

 private:
  [[nodiscard]] T* place_of(std::size_t index) const {
    return places_ + ((first_ + index) & (capacity_ - 1));
  }

  void grow() {
    constexpr std::size_t kFirstBytes = 64;
    const std::size_t capacity = capacity_ > 0 ? capacity_ * 2 : std::bit_ceil(kFirstBytes / sizeof(T) + 1);
    Fifo larger;
    larger.places_ = std::allocator<T>().allocate(capacity);
    larger.capacity_ = capacity;
    for (; !empty(); pop()) {
      std::construct_at(larger.places_ + larger.size_++, std::move(front()));
    }
    swap(larger);
  }

  // While it is empty.
  void free_memory() {
    if (places_ != nullptr) {
      std::allocator<T>().deallocate(std::exchange(places_, nullptr), std::exchange(capacity_, 0));
      first_ = 0;
    }
  }

  void swap(Fifo& other) noexcept {
    std::swap(places_, other.places_);
    std::swap(capacity_, other.capacity_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
  }

  T* places_ = nullptr;
  std::size_t capacity_ = 0;  // a power of two, or 0
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace knul::channel
