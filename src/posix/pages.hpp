// Pages of the kernel.
#pragma once

#include "base/page_source.hpp"

namespace knul::posix {

// With AddressSanitizer an access to discarded pages is a fault; in other builds it reads zeros.
class SystemPages final : public base::PageSource {
 public:
  [[nodiscard]] void* reserve(std::size_t bytes) noexcept override;
  void release(void* pages, std::size_t bytes) noexcept override;
  void discard(void* pages, std::size_t bytes) noexcept override;
  void restore(void* pages, std::size_t bytes) noexcept override;
};

}  // namespace knul::posix
