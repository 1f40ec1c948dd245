// An allocator for containers of secrets.
#pragma once

#include <gnutls/gnutls.h>

#include <cstddef>
#include <memory>

namespace knul::quic {

// Wipes memory before it is freed.
template <class T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() = default;
  template <class Other>
  explicit WipingAllocator(const WipingAllocator<Other>& /*other*/) {}

  T* allocate(std::size_t count) { return std::allocator<T>{}.allocate(count); }
  void deallocate(T* at, std::size_t count) noexcept {
    gnutls_memset(at, 0, count * sizeof(T));
    std::allocator<T>{}.deallocate(at, count);
  }
  bool operator==(const WipingAllocator&) const = default;
};

}  // namespace knul::quic
