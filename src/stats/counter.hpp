// The two cells of all statistics. Each cell has one writer, so an increment is a plain load and store
// without lock prefix or fence. A reader on another thread never waits and never sees a torn value.
#pragma once

#include <atomic>
#include <cstdint>

namespace knul::stats {

// Never falls.
// Thread: add() on the owning thread only; load() on any.
class Counter {
 public:
  [[gnu::always_inline]] void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t load() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A level that rises and falls. Arithmetic is modulo 2^64, so a level raised on one worker and lowered on
// another still has the right sum.
// Thread: add(), sub(), set() on the owning thread only; load() on any.
class Gauge {
 public:
  void add(std::uint64_t n = 1) { set(load() + n); }
  void sub(std::uint64_t n = 1) { set(load() - n); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t load() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(Counter) == 8 && sizeof(Gauge) == 8);

}  // namespace knul::stats
