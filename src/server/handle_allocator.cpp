#include "server/handle_allocator.hpp"

#include <numeric>

namespace knul::server {

HandleAllocator::HandleAllocator(std::uint64_t first_generation, std::uint64_t last_generation)
    : last_generation_(last_generation), generations_(kCapacity, first_generation), free_(kCapacity) {
  std::iota(free_.rbegin(), free_.rend(), std::uint16_t{0});
}

std::optional<std::uint64_t> HandleAllocator::allocate() noexcept {
  if (free_.empty()) {
    return std::nullopt;
  }
  const std::size_t index = free_.back();
  free_.pop_back();
  return generations_[index]++ << kIndexBits | index;
}

void HandleAllocator::release(std::uint64_t handle) noexcept {
  const std::size_t index = index_of(handle);
  if (generations_[index] <= last_generation_) {
    free_.push_back(static_cast<std::uint16_t>(index));
  }
}

}  // namespace knul::server
