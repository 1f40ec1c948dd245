// Pages for tests: discarded pages are overwritten, so that a later use is noticed.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#include "base/page_source.hpp"

namespace knul::quic {

class PoisoningPages final : public base::PageSource {
 public:
  [[nodiscard]] void* reserve(std::size_t bytes) noexcept override {
    void* const pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? nullptr : pages;
  }
  void release(void* pages, std::size_t bytes) noexcept override { ::munmap(pages, bytes); }
  void discard(void* pages, std::size_t bytes) noexcept override { std::memset(pages, 0xa5, bytes); }
  void restore(void* pages, std::size_t bytes) noexcept override { std::memset(pages, 0, bytes); }

  // For all tests of the process. Thread: any, because it has no state.
  static PoisoningPages& shared() {
    static PoisoningPages pages;
    return pages;
  }
};

}  // namespace knul::quic
