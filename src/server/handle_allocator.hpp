// Handles have a slot index in the low bits and a generation above. Each allocation of a slot has a new
// generation, so that no handle is used twice.
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
  // Handles stay below 2^53, so that a double holds each exactly.
  static constexpr std::uint64_t kMaxGeneration = (std::uint64_t{1} << (53 - kIndexBits)) - 1;

  [[nodiscard]] static constexpr std::size_t index_of(std::uint64_t handle) {
    return static_cast<std::size_t>(handle & (kCapacity - 1));
  }

  // `first_generation` >= 1; only tests of the end of the range use another value than 1. `last_generation`
  // limits the size of handles.
  explicit HandleAllocator(std::uint64_t first_generation = 1,
                           std::uint64_t last_generation = kMaxGeneration);

  // Never 0. Nothing when all slots are in use. Allocates no memory.
  std::optional<std::uint64_t> allocate() noexcept;
  // Frees the slot of an allocated handle. A slot that has used all its generations is never used again; at
  // 1,000 starts a second one slot lasts 278 years.
  void release(std::uint64_t handle) noexcept;

 private:
  const std::uint64_t last_generation_;
  std::vector<std::uint64_t> generations_;  // the next generation of each slot
  // A stack: the slot freed last is used first, so that few slots are ever touched. Never grows.
  std::vector<std::uint16_t> free_;
};

}  // namespace knul::server
