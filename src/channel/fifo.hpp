// A queue that allocates only to grow. A std::deque allocates for every few elements that pass through it,
// and an empty one has 600 bytes.
#pragma once

#include <boost/circular_buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace knul::channel {

// A ring that doubles when it is full. When it becomes empty, it releases its memory if that is more than
// kKeptBytes. References are valid until the next push. Thread: one.
template <class T, std::size_t kKeptBytes = 4 << 10>
class Fifo {
  static_assert(std::is_nothrow_move_constructible_v<T>);

 public:
  [[nodiscard]] bool empty() const { return ring_.empty(); }
  [[nodiscard]] std::size_t size() const { return ring_.size(); }
  // These three require that the queue is not empty.
  [[nodiscard]] T& front() { return ring_.front(); }
  [[nodiscard]] const T& front() const { return ring_.front(); }
  [[nodiscard]] T& back() { return ring_.back(); }

  // Throws std::bad_alloc; the queue is then unchanged.
  void push(T value) {
    if (ring_.full()) {
      ring_.set_capacity(std::max(2 * ring_.capacity(), kLeastCapacity));
    }
    ring_.push_back(std::move(value));
  }
  void pop() {
    ring_.pop_front();
    if (ring_.empty()) {
      release_memory();
    }
  }
  void clear() {
    ring_.clear();
    release_memory();
  }

 private:
  static constexpr std::size_t kLeastCapacity = std::max<std::size_t>(1, 64 / sizeof(T));

  void release_memory() {
    if (ring_.capacity() * sizeof(T) > kKeptBytes) {
      ring_.set_capacity(0);
    }
  }

  boost::circular_buffer<T> ring_;
};

}  // namespace knul::channel
