#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/random.hpp"

namespace knul::posix {

// The kernel's generator, read ahead so that a connection ID costs no system call. Handed-out bytes are
// erased from the buffer. Thread: one.
class SystemRandom final : public base::RandomSource {
 public:
  ~SystemRandom() override;
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::array<std::uint8_t, 512> buffer_{};
  std::size_t unused_ = 0;  // bytes at the end of buffer_
};

}  // namespace knul::posix
