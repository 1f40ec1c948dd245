// Reads the header of a packet (RFC 9000 §17) whose header protection has been removed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace knul::quic {

// RFC 9000 §12.3.
enum class NumberSpace : std::uint8_t { kInitial, kHandshake, kApplication };

struct PacketHeader {
  std::string_view type;  // as qlog names it; "unknown" for a header that cannot be read
  NumberSpace space = NumberSpace::kApplication;
  std::uint8_t flags = 0;  // the first byte
  bool is_long = false;
  std::uint32_t version = 0;             // of a long header, as are the next
  std::span<const std::uint8_t> dcid{};  // Lifetime: the bytes of the header
  std::span<const std::uint8_t> scid{};
  std::uint64_t token_bytes = 0;
  std::uint64_t length = 0;         // of packet number, payload and tag
  std::uint64_t packet_number = 0;  // its low bytes
  unsigned number_bytes = 0;
};

// `bytes`: from the first byte to the packet number.
[[nodiscard]] PacketHeader read_header(std::span<const std::uint8_t> bytes);

// The whole packet number (RFC 9000 §A.3). `expected`: one more than the largest number so far.
[[nodiscard]] std::uint64_t whole_number(const PacketHeader& header, std::uint64_t expected);

}  // namespace knul::quic
