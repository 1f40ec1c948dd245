// Makes operator new fail in tests of this folder. memory_packer_test.cpp replaces it for the whole program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace knul::quic {

// Settings of this thread.
struct ScarceHeap {
  std::size_t successes_left = SIZE_MAX;  // SIZE_MAX: unlimited
  std::size_t failures_left = SIZE_MAX;   // the failures after those, before memory is available again
};
extern thread_local ScarceHeap scarce_heap;

}  // namespace knul::quic
