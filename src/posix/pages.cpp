#include "posix/pages.hpp"

#include <sys/mman.h>

#include "posix/mapping.hpp"

// LeakSanitizer searches for pointers only in registered pages. Called only in builds with it.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" void __lsan_register_root_region(const void* begin, size_t bytes);
extern "C" void __lsan_unregister_root_region(const void* begin, size_t bytes);
// NOLINTEND(bugprone-reserved-identifier)

namespace knul::posix {
namespace {

// For tests only, because mprotect splits mappings, and a process may have only 65,530.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kGuardsDiscarded = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kGuardsDiscarded = true;
#else
constexpr bool kGuardsDiscarded = false;
#endif
#else
constexpr bool kGuardsDiscarded = false;
#endif

}  // namespace

void* SystemPages::reserve(std::size_t bytes) noexcept {
  auto mapping = Mapping::create(bytes);
  if (!mapping) {
    return nullptr;
  }
  void* const pages = mapping->release();
  // A huge page would keep the memory of thirty connections, hibernating or not. The kernel may refuse this.
  (void)::madvise(pages, bytes, MADV_NOHUGEPAGE);
  if constexpr (kGuardsDiscarded) {
    __lsan_register_root_region(pages, bytes);
  }
  return pages;
}

void SystemPages::release(void* pages, std::size_t bytes) noexcept {
  if constexpr (kGuardsDiscarded) {
    __lsan_unregister_root_region(pages, bytes);
  }
  (void)::munmap(pages, bytes);
}

void SystemPages::discard(void* pages, std::size_t bytes) noexcept {
  (void)::madvise(pages, bytes, MADV_DONTNEED);
  if constexpr (kGuardsDiscarded) {
    (void)::mprotect(pages, bytes, PROT_NONE);
  }
}

void SystemPages::restore(void* pages, std::size_t bytes) noexcept {
  if constexpr (kGuardsDiscarded) {
    (void)::mprotect(pages, bytes, PROT_READ | PROT_WRITE);
  }
}

}  // namespace knul::posix
