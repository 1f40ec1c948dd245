// Handles: a slot index in the low bits and a generation above. A slot gets a new generation each time it is
// allocated, so that no handle is ever given twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace knul::server {

// Thread: one at a time; the owner locks.
class HandleAllocator {
 public:
  static constexpr unsigned kIndexBits = 10;
  static constexpr std::size_t kCapacity = std::size_t{1} << kIndexBits;
  // A handle stays below 2^53, the last whole number that a double holds without a gap.
  static constexpr std::uint64_t kMaxGeneration = (std::uint64_t{1} << (53 - kIndexBits)) - 1;

  [[nodiscard]] static constexpr std::size_t index_of(std::uint64_t handle) {
    return static_cast<std::size_t>(handle & (kCapacity - 1));
  }

  // `first_generation` >= 1; another than 1 is for tests of the end of the range. `last_generation` says how
  // large handles may become.
  explicit HandleAllocator(std::uint64_t first_generation = 1,
                           std::uint64_t last_generation = kMaxGeneration);

  // Never 0. Nothing when all slots are taken. Does not allocate memory.
  std::optional<std::uint64_t> allocate() noexcept;
  // Gives the slot of an allocated handle back. A slot whose generations are used up stays out of service;
  // with a thousand starts a second that takes 278 years.
  void release(std::uint64_t handle) noexcept;

 private:
  const std::uint64_t last_generation_;
  std::vector<std::uint64_t> generations_;  // the next one of each slot
  // A stack: the slot given back last goes first, so that few slots are ever touched. Never grows.
  std::vector<std::uint16_t> free_;
};

}  // namespace knul::server
