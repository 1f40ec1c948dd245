// Defines malloc and its kin over glibc's own functions; operator new comes through them.
#include "allocation_counter.hpp"

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KNUL_OTHER_ALLOCATOR
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KNUL_OTHER_ALLOCATOR
#endif
#endif

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

#ifndef KNUL_OTHER_ALLOCATOR

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}

__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void* realloc(void* old, std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, size);
}

}  // extern "C"

#endif

namespace knul::test {

bool counts_allocations() {
#ifdef KNUL_OTHER_ALLOCATOR
  return false;
#else
  return true;
#endif
}

std::uint64_t allocation_count() { return allocations.load(std::memory_order_relaxed); }

}  // namespace knul::test
