// Pages for tests: what is discarded is overwritten, so that whoever still uses it does not get far.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/page_source.hpp"

namespace knul::quic {

class PoisoningPages final : public base::PageSource {
 public:
  [[nodiscard]] void* reserve(std::size_t bytes) noexcept override {
    return std::aligned_alloc(kPageBytes, bytes);
  }
  void release(void* pages, std::size_t /*bytes*/) noexcept override { std::free(pages); }
  void discard(void* pages, std::size_t bytes) noexcept override { std::memset(pages, 0xa5, bytes); }
  void restore(void* pages, std::size_t bytes) noexcept override { std::memset(pages, 0, bytes); }

  // For all tests of the process. Thread: any, it has no state.
  static PoisoningPages& shared() {
    static PoisoningPages pages;
    return pages;
  }
};

}  // namespace knul::quic
