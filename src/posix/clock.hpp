// The monotonic clock of the system.
#pragma once

#include "base/time.hpp"

namespace knul::posix {

// CLOCK_MONOTONIC. Thread: any.
[[nodiscard]] base::Instant monotonic_now();

}  // namespace knul::posix
