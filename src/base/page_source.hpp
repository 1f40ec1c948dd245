// Where a layer gets whole pages of memory from, and gives them back without giving up their addresses.
#pragma once

#include <cstddef>

namespace knul::base {

// Thread: any. Sizes and addresses are multiples of kPageBytes.
class PageSource {
 public:
  static constexpr std::size_t kPageBytes = 4'096;

  virtual ~PageSource() = default;
  // Zeroed pages that take memory only when they are written. Null: the system has none.
  [[nodiscard]] virtual void* reserve(std::size_t bytes) noexcept = 0;
  virtual void release(void* pages, std::size_t bytes) noexcept = 0;
  // The content is lost, the memory free, the addresses stay reserved; nothing may touch them before
  // restore(), after which they are zero.
  virtual void discard(void* pages, std::size_t bytes) noexcept = 0;
  virtual void restore(void* pages, std::size_t bytes) noexcept = 0;
};

}  // namespace knul::base
