// The interface to unpredictable bytes: the system's generator in production, a seeded generator in the
// simulator.
#pragma once

#include <cstdint>
#include <span>

namespace knul::base {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // Fills all of `out`. Never fails: an implementation without randomness ends the process, because
  // predictable bytes would be worse.
  virtual void fill(std::span<std::uint8_t> out) = 0;
};

}  // namespace knul::base
