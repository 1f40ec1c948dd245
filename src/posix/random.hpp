// The random generator of the kernel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/random.hpp"

namespace knul::posix {

// Reads ahead, so that a connection ID costs no system call. Wipes the returned bytes from the buffer.
// Thread: one.
class SystemRandom final : public base::RandomSource {
 public:
  ~SystemRandom() override;
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::array<std::uint8_t, 512> buffer_{};
  std::size_t unused_ = 0;  // bytes at the end of buffer_
};

}  // namespace knul::posix
