#pragma once

#include "base/time.hpp"

namespace knul::runtime {

// CLOCK_MONOTONIC. Thread: any.
[[nodiscard]] base::Instant monotonic_now();

}  // namespace knul::runtime
