// A map from stream or connection IDs to values: open addressing with linear probing and backward-shift
// deletion, so that insertion and erasure in a table of steady size allocate nothing. The hash is keyed,
// because the peer chooses which of its streams stay open.
// Lifetime: pointers that find and insert return are valid until the next insert or erase.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace knul::service {

// A key for IdTable; one for each Application is enough.
[[nodiscard]] inline std::uint64_t random_table_key() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

template <class Value>
class IdTable {
 public:
  explicit IdTable(std::uint64_t key) : key_(key) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  [[nodiscard]] Value* find(std::uint64_t id) {
    if (size_ == 0) {
      return nullptr;
    }
    Slot& slot = slots_[slot_of(id)];
    return slot.used ? &slot.value : nullptr;
  }

  // The value of `id`, default-constructed if there was none.
  Value& find_or_insert(std::uint64_t id) {
    if ((size_ + 1) * 4 > slots_.size() * 3) {
      grow();
    }
    Slot& slot = slots_[slot_of(id)];
    if (!slot.used) {
      slot.id = id;
      slot.used = true;
      ++size_;
    }
    return slot.value;
  }

  void erase(std::uint64_t id) {
    if (size_ == 0) {
      return;
    }
    std::size_t hole = slot_of(id);
    if (!slots_[hole].used) {
      return;
    }
    for (std::size_t next = following(hole); slots_[next].used; next = following(next)) {
      const std::size_t home = home_of(slots_[next].id);
      // Invariant: an entry may move back only to a slot at or after its home.
      if (((next - home) & mask()) >= ((next - hole) & mask())) {
        std::swap(slots_[hole].id, slots_[next].id);
        std::swap(slots_[hole].value, slots_[next].value);
        hole = next;
      }
    }
    slots_[hole].used = false;
    slots_[hole].value = Value{};
    --size_;
  }

  template <class Visit>
  void for_each(Visit&& visit) {
    for (Slot& slot : slots_) {
      if (slot.used) {
        visit(slot.id, slot.value);
      }
    }
  }

 private:
  struct Slot {
    std::uint64_t id = 0;
    bool used = false;
    Value value{};
  };

  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t following(std::size_t index) const { return (index + 1) & mask(); }

  // The finalizer of splitmix64 over the keyed id.
  [[nodiscard]] std::size_t home_of(std::uint64_t id) const {
    std::uint64_t x = id ^ key_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return static_cast<std::size_t>(x ^ (x >> 31)) & mask();
  }

  // The slot of `id`, or the free slot for it. Invariant: at least one slot is free.
  [[nodiscard]] std::size_t slot_of(std::uint64_t id) const {
    std::size_t index = home_of(id);
    while (slots_[index].used && slots_[index].id != id) {
      index = following(index);
    }
    return index;
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 8 : slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.used) {
        slots_[slot_of(slot.id)] = std::move(slot);
      }
    }
  }

  std::vector<Slot> slots_;  // a power of two, or empty
  std::size_t size_ = 0;
  std::uint64_t key_;
};

}  // namespace knul::service
