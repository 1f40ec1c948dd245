// Deadlines of many objects, soonest first: a 4-ary heap whose entries know their place, so that
// re-arming is O(log n) without a search, and a far deadline that moves further costs nothing but a
// comparison. Intrusive: the hook lives in the object, the heap holds pointers.
#pragma once

#include <cassert>
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
  [[nodiscard]] bool is_empty() const { return items_.empty(); }
  // kNever when nothing is armed.
  [[nodiscard]] Instant soonest() const { return items_.empty() ? kNever : items_.front()->deadline_; }

  // Arms or moves `item`; kNever cancels.
  void arm(T& item, Instant deadline) {
    DeadlineHook& hook = item;
    if (deadline == kNever) {
      cancel(item);
      return;
    }
    hook.deadline_ = deadline;
    if (!hook.is_armed()) {
      items_.push_back(&item);
      hook.index_ = items_.size() - 1;
    }
    restore(hook.index_);
  }

  void cancel(T& item) {
    DeadlineHook& hook = item;
    if (!hook.is_armed()) {
      return;
    }
    const std::size_t index = hook.index_;
    hook.index_ = DeadlineHook::kNotArmed;
    hook.deadline_ = kNever;
    T* moved = items_.back();
    items_.pop_back();
    if (index < items_.size()) {
      place(index, moved);
      restore(index);
    }
  }

  // The soonest object if its deadline is not after `now`, disarmed; else nullptr.
  T* take_due(Instant now) {
    if (items_.empty() || items_.front()->deadline_ > now) {
      return nullptr;
    }
    T* due = items_.front();
    cancel(*due);
    return due;
  }

 private:
  static constexpr std::size_t kArity = 4;

  void place(std::size_t index, T* item) {
    items_[index] = item;
    static_cast<DeadlineHook*>(item)->index_ = index;
  }

  void restore(std::size_t index) {
    index = sift_up(index);
    sift_down(index);
  }

  std::size_t sift_up(std::size_t index) {
    T* item = items_[index];
    while (index > 0) {
      const std::size_t parent = (index - 1) / kArity;
      if (items_[parent]->deadline_ <= item->deadline_) {
        break;
      }
      place(index, items_[parent]);
      index = parent;
    }
    place(index, item);
    return index;
  }

  void sift_down(std::size_t index) {
    T* item = items_[index];
    while (true) {
      const std::size_t first = index * kArity + 1;
      if (first >= items_.size()) {
        break;
      }
      std::size_t smallest = first;
      for (std::size_t child = first + 1; child < items_.size() && child < first + kArity; ++child) {
        if (items_[child]->deadline_ < items_[smallest]->deadline_) {
          smallest = child;
        }
      }
      if (items_[smallest]->deadline_ >= item->deadline_) {
        break;
      }
      place(index, items_[smallest]);
      index = smallest;
    }
    place(index, item);
  }

  std::vector<T*> items_;
};

}  // namespace knul::base
