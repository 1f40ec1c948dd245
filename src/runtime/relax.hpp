// A pause for loops that wait without sleeping.
#pragma once

namespace knul::runtime {

// Waits for some dozens of nanoseconds, and leaves the core to its other hardware thread meanwhile.
inline void relax_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");  // longer than yield, which many cores ignore
#endif
}

}  // namespace knul::runtime
