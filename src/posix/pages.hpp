#pragma once

#include "base/page_source.hpp"

namespace knul::posix {

// Pages of the kernel. In builds with AddressSanitizer whoever touches discarded pages gets a fault; in
// others it would read zeros.
class SystemPages final : public base::PageSource {
 public:
  [[nodiscard]] void* reserve(std::size_t bytes) noexcept override;
  void release(void* pages, std::size_t bytes) noexcept override;
  void discard(void* pages, std::size_t bytes) noexcept override;
  void restore(void* pages, std::size_t bytes) noexcept override;
};

}  // namespace knul::posix
