// Repeatable randomness for tests and the simulator.
#pragma once

#include <random>

#include "base/random.hpp"

namespace knul::quic {

class SeededRandom final : public base::RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out)
      byte = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace knul::quic
