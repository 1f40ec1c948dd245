// The time types of all layers: nanoseconds of one monotonic clock. They have no now(), because base and quic
// receive the time as an argument, which a simulator can supply.
#pragma once

#include <chrono>
#include <cstdint>

namespace knul::base {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, duration>;
  static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;

inline constexpr Instant kNever = Instant::max();

}  // namespace knul::base
