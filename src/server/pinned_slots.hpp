// Objects by handle. Any thread looks them up without a lock, even while another removes them.
//
// The idea: a slot holds the handle of its occupant and counts its users ("pins"). The count is spread over
// cells on separate cache lines, chosen by CPU, so that lookups on different CPUs write no shared line.
//
// Why a pinned occupant is alive: a finder (1) adds to its cell, (2) then loads the slot's handle; a taker
// (3) replaces the handle by 0, (4) then waits until it has seen each cell at zero. All four are seq_cst and
// thus in one order. If a finder sees its handle at (2), then (2) is before (3) and its (1) is before (4), so
// the taker sees that cell above zero until the pin is dropped. A finder after (3) sees another handle and
// gives up; it changes the count for a moment, which only makes the taker look again. A handle is never used
// twice, so a slot that got a new occupant between (1) and (2) does not match.
//
// Weak case: a taker sleeps while it waits, up to a millisecond longer than the last pin.
#pragma once

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "server/handle_allocator.hpp"

namespace knul::server {

// Thread: any, for all functions.
template <class T>
class PinnedSlots {
 public:
  using PinCount = std::atomic<std::uint32_t>;

  // Handles stay below 2^`handle_bits`.
  explicit PinnedSlots(unsigned handle_bits = 53)
      : allocator_(1, (std::uint64_t{1} << (handle_bits - HandleAllocator::kIndexBits)) - 1) {}

  struct Found {
    PinCount* count = nullptr;  // the argument of unpin()
    T* occupant = nullptr;      // null: not found, and unpin() must not be called
  };

  // Nothing when all slots are in use; `occupant` is then untouched. May throw std::bad_alloc.
  std::optional<std::uint64_t> insert(std::unique_ptr<T>& occupant) {
    const std::lock_guard lock(mutex_);
    const auto handle = allocator_.allocate();
    if (!handle) {
      return std::nullopt;
    }
    Slot* slot = nullptr;
    try {
      slot = &slot_for(*handle);
    } catch (...) {
      allocator_.release(*handle);
      throw;
    }
    slot->occupant.store(occupant.release(), std::memory_order_relaxed);
    slot->handle.store(*handle, std::memory_order_seq_cst);
    return handle;
  }

  // Takes no lock, allocates nothing.
  [[nodiscard]] Found find(std::uint64_t handle) noexcept {
    Slot* const slot = slots_[HandleAllocator::index_of(handle)].load(std::memory_order_acquire);
    if (slot == nullptr || handle == 0 || slot->handle.load(std::memory_order_relaxed) != handle) {
      return {};
    }
    PinCount& count = slot->cells[cell_index()].count;
    count.fetch_add(1, std::memory_order_seq_cst);                 // (1)
    if (slot->handle.load(std::memory_order_seq_cst) != handle) {  // (2)
      unpin(count);
      return {};
    }
    return {&count, slot->occupant.load(std::memory_order_relaxed)};
  }

  // Release: every use of the occupant happens before its destruction.
  static void unpin(PinCount& count) noexcept { count.fetch_sub(1, std::memory_order_release); }

  // Null for an unknown handle. Of concurrent calls one gets the occupant. Blocks while it is pinned.
  std::unique_ptr<T> take(std::uint64_t handle) noexcept {
    Slot* const slot = slots_[HandleAllocator::index_of(handle)].load(std::memory_order_acquire);
    std::uint64_t expected = handle;
    if (slot == nullptr || handle == 0 ||
        !slot->handle.compare_exchange_strong(expected, 0, std::memory_order_seq_cst)) {  // (3)
      return nullptr;
    }
    wait_for_pins(*slot);
    std::unique_ptr<T> occupant(slot->occupant.exchange(nullptr, std::memory_order_relaxed));
    const std::lock_guard lock(mutex_);
    allocator_.release(handle);
    return occupant;
  }

  // Not a consistent snapshot: each handle is read at its own moment.
  template <class Visit>
  void for_each_handle(Visit&& visit) const {
    for (const auto& pointer : slots_) {
      const Slot* const slot = pointer.load(std::memory_order_acquire);
      const std::uint64_t handle = slot == nullptr ? 0 : slot->handle.load(std::memory_order_seq_cst);
      if (handle != 0) {
        visit(handle);
      }
    }
  }

 private:
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::size_t kCells = 8;  // more CPUs share them

  struct alignas(kCacheLine) Cell {
    PinCount count{0};
  };

  struct Slot {
    ~Slot() { delete occupant.load(std::memory_order_relaxed); }

    alignas(kCacheLine) std::atomic<std::uint64_t> handle{0};  // 0: free
    std::atomic<T*> occupant{nullptr};                         // owned; atomic only for finders that give up
    std::array<Cell, kCells> cells;
  };

  static std::size_t cell_index() noexcept {
    const int cpu = ::sched_getcpu();  // reads the thread's restartable-sequence area, no system call
    return static_cast<std::size_t>(cpu < 0 ? 0 : cpu) % kCells;
  }

  // A slot is created at its first use and never freed, so that a finder may read it at any time.
  Slot& slot_for(std::uint64_t handle) {
    const std::size_t index = HandleAllocator::index_of(handle);
    if (!owned_[index]) {
      owned_[index] = std::make_unique<Slot>();
      slots_[index].store(owned_[index].get(), std::memory_order_release);
    }
    return *owned_[index];
  }

  static void wait_for_pins(Slot& slot) noexcept {
    auto pause = std::chrono::microseconds(1);
    for (Cell& cell : slot.cells) {
      while (cell.count.load(std::memory_order_seq_cst) != 0) {  // (4)
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, std::chrono::microseconds(1'000));
      }
    }
  }

  std::mutex mutex_;  // guards the allocator and the creation of slots
  HandleAllocator allocator_;
  std::array<std::unique_ptr<Slot>, HandleAllocator::kCapacity> owned_;
  std::array<std::atomic<Slot*>, HandleAllocator::kCapacity> slots_{};
};

}  // namespace knul::server
