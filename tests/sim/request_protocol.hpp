// The protocol of the simulated programs. A request is a line "<answer bytes> <delay in µs>" and a body; the
// answer is the FNV-1a checksum of the body (8 bytes, little endian), then the bytes asked for, each
// following from its offset. So both sides see every byte that is wrong, missing or twice.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>

#include "base/time.hpp"

namespace knul::sim {

constexpr std::size_t kChecksumBytes = 8;

inline std::uint8_t pattern(std::uint64_t offset) {
  return static_cast<std::uint8_t>(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

class Checksum {
 public:
  void add(std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) {
      value_ = (value_ ^ byte) * 1'099'511'628'211ULL;
    }
  }
  [[nodiscard]] std::uint8_t byte(std::uint64_t index) const {
    return static_cast<std::uint8_t>(value_ >> (8 * index));
  }

 private:
  std::uint64_t value_ = 14'695'981'039'346'656'037ULL;
};

inline std::string request_line(std::uint64_t answer_bytes, base::Duration delay) {
  return std::to_string(answer_bytes) + " " +
         std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(delay).count()) + "\n";
}

// Writes what `make` gives for the offsets from `sent` on, until `total` or until the stream is full; `write`
// takes bytes and whether they are the last.
template <class Make, class Write>
void write_from(std::uint64_t& sent, std::uint64_t total, Make make, Write write) {
  std::array<std::uint8_t, 16'384> block;
  while (sent < total) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), total - sent));
    for (std::size_t i = 0; i < count; ++i) {
      block[i] = make(sent + i);
    }
    const std::size_t taken = write(std::span(block).first(count), sent + count == total);
    sent += taken;
    if (taken < count) {
      return;
    }
  }
}

}  // namespace knul::sim
