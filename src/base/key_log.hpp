// Where the secrets of TLS sessions are written for a program that decrypts captured packets.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace knul::base {

class KeyLog {
 public:
  virtual ~KeyLog() = default;
  // A line of the format of NSS (SSLKEYLOGFILE). Thread: any. Loses the line if it cannot be written.
  virtual void write(std::string_view label, std::span<const std::uint8_t> client_random,
                     std::span<const std::uint8_t> secret) noexcept = 0;
};

}  // namespace knul::base
