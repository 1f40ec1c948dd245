// The interface to whole pages of memory. A layer can return the memory of pages and keep their addresses.
#pragma once

#include <cstddef>

namespace knul::base {

// Thread: any. Sizes and addresses are multiples of kPageBytes.
class PageSource {
 public:
  static constexpr std::size_t kPageBytes = 4'096;

  virtual ~PageSource() = default;
  // Returns zeroed pages, which use memory only after a write. Null: memory is short.
  [[nodiscard]] virtual void* reserve(std::size_t bytes) noexcept = 0;
  virtual void release(void* pages, std::size_t bytes) noexcept = 0;
  // Frees the memory of the pages and keeps their addresses reserved. The pages must not be used before
  // restore(), after which they are zero.
  virtual void discard(void* pages, std::size_t bytes) noexcept = 0;
  virtual void restore(void* pages, std::size_t bytes) noexcept = 0;
};

}  // namespace knul::base
