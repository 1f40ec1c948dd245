// For loops that wait without sleeping.
#pragma once

namespace knul::runtime {

// Some dozens of nanoseconds during which the CPU's other thread, its power budget and the memory bus are
// left alone.
inline void relax_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");  // longer than yield, which many cores ignore
#endif
}

}  // namespace knul::runtime
