// Where a layer gets unpredictable bytes from. The system's generator in production, a seeded one in
// the simulator.
#pragma once

#include <cstdint>
#include <span>

namespace knul::base {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // Fills all of `out`. Does not fail: an implementation that cannot obtain randomness ends the process
  // start, never hands out predictable bytes.
  virtual void fill(std::span<std::uint8_t> out) = 0;
};

}  // namespace knul::base
