// Deadlines of many objects, soonest first. Intrusive: the hook lives in the object, the heap holds pointers.
//
// The packet path moves a deadline with every packet, nearly always further away: that is one comparison and
// one store. The object keeps its place, which then is too early, and is put right when it comes to the front
// (4-ary heap, O(log n)), as often as its deadlines pass and not as often as packets come. Weak case: a
// deadline that moves nearer than it ever was since goes up the heap at once.
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
  // Places that soonest() puts right before it contents itself with a time that is too early.
  static constexpr int kSettledAtOnce = 4;

  [[nodiscard]] bool is_empty() const { return items_.empty(); }

  // When to call take_due: kNever when nothing is armed, else never after the soonest deadline, and that
  // itself unless more than kSettledAtOnce deadlines have moved away from before it. A caller that is early
  // gets nothing from take_due, and a later time from here.
  [[nodiscard]] Instant soonest() const {
    for (int i = 0; i < kSettledAtOnce && !items_.empty() && settle_front(); ++i) {
    }
    return items_.empty() ? kNever : items_.front().place;
  }

  // Arms or moves `item`; kNever cancels.
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

  // The soonest object if its deadline is not after `now`, disarmed; else nullptr.
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
  // Invariant: `place` is not after the item's deadline, and heap order is by it.
  struct Entry {
    Instant place;
    T* item;
  };
  static constexpr std::size_t kArity = 4;

  // False: it was right.
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

  // Where it ends up.
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
