// Makes operator new fail in tests of this folder. memory_packer_test.cpp replaces it for the whole program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace knul::quic {

// Of this thread.
struct ScarceHeap {
  std::size_t successes_left = SIZE_MAX;  // SIZE_MAX: without end
  std::size_t failures_left = SIZE_MAX;   // that follow those, before memory is there again
};
extern thread_local ScarceHeap scarce_heap;

}  // namespace knul::quic
