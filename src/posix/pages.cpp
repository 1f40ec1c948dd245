#include "posix/pages.hpp"

#include <sys/mman.h>

#include "posix/mapping.hpp"

// Of LeakSanitizer, which else does not look into pages for pointers. Called only where it is there.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" void __lsan_register_root_region(const void* begin, size_t bytes);
extern "C" void __lsan_unregister_root_region(const void* begin, size_t bytes);
// NOLINTEND(bugprone-reserved-identifier)

namespace knul::posix {
namespace {

// mprotect splits mappings, of which a process may have 65,530: for tests only.
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
  // A huge page would hold the memory of thirty connections, asleep or not. Without it this is only advice.
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
