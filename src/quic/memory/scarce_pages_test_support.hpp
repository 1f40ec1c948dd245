// Pages for tests that run out and are counted.
#pragma once

#include "quic/memory/poisoning_pages_test_support.hpp"

namespace knul::quic {

class ScarcePages final : public base::PageSource {
 public:
  [[nodiscard]] void* reserve(std::size_t bytes) noexcept override {
    if (reservations == 0) {
      return nullptr;
    }
    --reservations;
    held_bytes += bytes;
    return PoisoningPages::shared().reserve(bytes);
  }
  void release(void* pages, std::size_t bytes) noexcept override {
    held_bytes -= bytes;
    PoisoningPages::shared().release(pages, bytes);
  }
  void discard(void* pages, std::size_t bytes) noexcept override {
    discarded_bytes += bytes;
    PoisoningPages::shared().discard(pages, bytes);
  }
  void restore(void* pages, std::size_t bytes) noexcept override {
    PoisoningPages::shared().restore(pages, bytes);
  }

  int reservations = 100;  // still allowed
  std::size_t held_bytes = 0;
  std::size_t discarded_bytes = 0;
};

}  // namespace knul::quic
