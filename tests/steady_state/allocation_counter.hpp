// Counts what this program takes from the global heap, by operator new or by malloc.
#pragma once

#include <cstdint>

namespace knul::test {

// False in sanitizer builds, which have an allocator of their own.
[[nodiscard]] bool counts_allocations();
// Since the program began. Thread: any.
[[nodiscard]] std::uint64_t allocation_count();

}  // namespace knul::test
