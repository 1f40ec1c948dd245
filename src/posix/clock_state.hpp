// The system's calendar clock.
#pragma once

#include <cstdint>

namespace knul::posix {

struct ClockState {
  std::int64_t unix_seconds = 0;
  bool is_synchronized = false;  // by NTP or another source, as adjtimex(2) reports
  bool is_known = false;         // false: the kernel does not report it
  std::int64_t error_us = 0;     // the largest error that the kernel assumes
};

// Thread: any.
[[nodiscard]] ClockState clock_state();

}  // namespace knul::posix
