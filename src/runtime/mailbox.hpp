// A bounded queue from many threads to one, for messages to a worker.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include "runtime/waker.hpp"

namespace knul::runtime {

// A ring of cells, each with a sequence number (Vyukov's bounded queue). The cell at position p is free for
// the producer that claims p while its sequence is p, and full for the consumer while it is p + 1.
// Order: per producer. Weak case: a producer that is suspended between claim and publish hides the later
// posts. The consumer then sees an empty queue, until that producer publishes and wakes it.
// The capacity is rounded up to a power of two, at least 2, because with 1 a full and a free cell would have
// the same sequence.
// T is default-constructible and nothrow-movable. Lifetime: the waker outlives the mailbox.
template <class T>
class Mailbox {
 public:
  Mailbox(std::size_t capacity, Waker& waker)
      : mask_(std::bit_ceil(std::max<std::size_t>(capacity, 2)) - 1),
        cells_(std::make_unique<Cell[]>(mask_ + 1)),
        waker_(waker) {
    for (std::size_t i = 0; i <= mask_; ++i) {
      cells_[i].sequence.store(i, std::memory_order_relaxed);
    }
  }

  // False: the queue is full, and `mail` is unchanged. Never blocks. Thread: any.
  [[nodiscard]] bool try_post(T&& mail) {
    std::size_t position = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[position & mask_];
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      if (sequence == position) {
        if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
          cell.mail = std::move(mail);
          cell.sequence.store(position + 1, std::memory_order_seq_cst);  // see Waker
          waker_.wake_if_armed();
          return true;
        }
      } else if (static_cast<std::ptrdiff_t>(sequence - position) <
                 0) {  // not yet drained since the previous round
        return false;
      } else {
        position = tail_.load(std::memory_order_relaxed);
      }
    }
  }

  // Thread: the consumer, between arm and wait.
  [[nodiscard]] bool has_mail() const {
    return cells_[head_ & mask_].sequence.load(std::memory_order_seq_cst) == head_ + 1;
  }

  // Passes at most as many posts as the queue has cells to `receive(T&&)`, so that producers cannot keep the
  // consumer here. Returns their number. Thread: the consumer.
  template <class Receive>
  std::size_t drain(Receive&& receive) {
    std::size_t count = 0;
    while (count <= mask_) {
      Cell& cell = cells_[head_ & mask_];
      if (cell.sequence.load(std::memory_order_acquire) != head_ + 1) {
        break;
      }
      T mail = std::move(cell.mail);
      cell.sequence.store(head_ + mask_ + 1, std::memory_order_release);
      ++head_;
      ++count;
      receive(std::move(mail));
    }
    return count;
  }

 private:
  struct Cell {
    std::atomic<std::size_t> sequence{0};
    T mail{};
  };

  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  Waker& waker_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::size_t head_ = 0;  // Thread: the consumer
};

}  // namespace knul::runtime
