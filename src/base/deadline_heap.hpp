// The deadlines of many objects, soonest first. Intrusive: the hook is in the object, and the heap holds
// pointers.
//
// Every packet moves a deadline, nearly always to a later time. That costs one comparison and one store: the
// object keeps its place in the heap, which is then too early. The heap corrects the place when the object
// reaches the front (4-ary heap, O(log n)). So it works as often as deadlines pass and not as often as
// packets arrive. Weak case: an object whose deadline becomes earlier than its place moves up the heap at
// once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/time.hpp"

namespace knul::base {

// Lifetime: the object must be cancelled before it is destroyed or moved.
class DeadlineHook {
 public:
  [[nodiscard]] Instant deadline() const { return deadline_; }
  [[nodiscard]] bool is_armed() const { return index_ != kNotArmed; }

 private:
  template <class T>
  friend class DeadlineHeap;
  static constexpr std::size_t kNotArmed = ~std::size_t{0};
  Instant deadline_ = kNever;
  std::size_t index_ = kNotArmed;
};

// T derives from DeadlineHook. Thread: one.
template <class T>
class DeadlineHeap {
 public:
  // soonest() corrects at most this many entries. Beyond that it may return a time that is too early.
  static constexpr int kSettledAtOnce = 4;

  // The time of the next take_due(); kNever when nothing is armed. It is never later than the soonest
  // deadline, and earlier only if more than kSettledAtOnce deadlines before that have moved. If it is too
  // early, take_due() returns null, and the next call returns a later time.
  [[nodiscard]] Instant soonest() const {
    for (int i = 0; i < kSettledAtOnce && !items_.empty() && settle_front(); ++i) {
    }
    return items_.empty() ? kNever : items_.front().place;
  }

  // Arms `item`, or moves its deadline. kNever cancels it.
  void arm(T& item, Instant deadline) {
    DeadlineHook& hook = item;
    if (deadline == kNever) {
      cancel(item);
      return;
    }
    hook.deadline_ = deadline;
    if (!hook.is_armed()) {
      items_.push_back({deadline, &item});
      sift_up(items_.size() - 1, items_.back());
    } else if (deadline < items_[hook.index_].place) {
      sift_up(hook.index_, {deadline, &item});
    }
  }

  void cancel(T& item) {
    DeadlineHook& hook = item;
    if (!hook.is_armed()) {
      return;
    }
    const std::size_t index = hook.index_;
    hook.index_ = DeadlineHook::kNotArmed;
    hook.deadline_ = kNever;
    const Entry moved = items_.back();
    items_.pop_back();
    if (index < items_.size()) {
      sift_down(sift_up(index, moved), moved);
    }
  }

  // Disarms and returns the object with the soonest deadline if that is not later than `now`; else null.
  T* take_due(Instant now) {
    while (!items_.empty() && items_.front().place <= now) {
      if (!settle_front()) {
        T* due = items_.front().item;
        cancel(*due);
        return due;
      }
    }
    return nullptr;
  }

 private:
  // Invariant: `place` is not later than the item's deadline. The heap is ordered by `place`.
  struct Entry {
    Instant place;
    T* item;
  };
  static constexpr std::size_t kArity = 4;

  // Corrects the place of the front object. False: it was correct.
  bool settle_front() const {
    const Entry& front = items_.front();
    const Instant deadline = static_cast<DeadlineHook*>(front.item)->deadline_;
    if (front.place == deadline) {
      return false;
    }
    sift_down(0, {deadline, front.item});
    return true;
  }

  void put(std::size_t index, const Entry& entry) const {
    items_[index] = entry;
    static_cast<DeadlineHook*>(entry.item)->index_ = index;
  }

  // Returns the final index.
  std::size_t sift_up(std::size_t index, const Entry moving) {
    while (index > 0) {
      const std::size_t parent = (index - 1) / kArity;
      if (items_[parent].place <= moving.place) {
        break;
      }
      put(index, items_[parent]);
      index = parent;
    }
    put(index, moving);
    return index;
  }

  void sift_down(std::size_t index, const Entry moving) const {
    while (true) {
      const std::size_t first = index * kArity + 1;
      if (first >= items_.size()) {
        break;
      }
      const std::size_t end = std::min(first + kArity, items_.size());
      std::size_t smallest = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (items_[child].place < items_[smallest].place) {
          smallest = child;
        }
      }
      if (items_[smallest].place >= moving.place) {
        break;
      }
      put(index, items_[smallest]);
      index = smallest;
    }
    put(index, moving);
  }

  mutable std::vector<Entry> items_;  // soonest() changes places, never deadlines
};

}  // namespace knul::base
