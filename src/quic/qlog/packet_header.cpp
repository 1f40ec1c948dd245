#include "quic/qlog/packet_header.hpp"

#include <ngtcp2/ngtcp2.h>

#include "quic/wire/frame_bytes.hpp"

namespace knul::quic {
namespace {

std::uint64_t big_endian(std::span<const std::uint8_t> bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) {
    value = value << 8 | byte;
  }
  return value;
}

void set_long_type(PacketHeader& header) {
  // RFC 9000 §17.2. Version 2 adds 1 to each type (RFC 9369 §3.2).
  const unsigned code = (header.flags >> 4) & 3U;
  switch (header.version == NGTCP2_PROTO_VER_V2 ? (code + 3) % 4 : code) {
    case 0:
      header.type = "initial";
      header.space = NumberSpace::kInitial;
      break;
    case 1:
      header.type = "0RTT";
      break;
    case 2:
      header.type = "handshake";
      header.space = NumberSpace::kHandshake;
      break;
    default:
      header.type = "unknown";  // a Retry has no packet number
  }
}

void read_long(PacketHeader& header, FrameBytes& bytes) {
  header.is_long = true;
  header.version = static_cast<std::uint32_t>(big_endian(bytes.take(4)));
  header.dcid = bytes.take(big_endian(bytes.take(1)));
  header.scid = bytes.take(big_endian(bytes.take(1)));
  set_long_type(header);
  if (header.space == NumberSpace::kInitial) {
    header.token_bytes = bytes.varint();
    bytes.skip(header.token_bytes);
  }
  header.length = bytes.varint();
}

}  // namespace

PacketHeader read_header(std::span<const std::uint8_t> bytes) {
  constexpr std::uint8_t kLongHeader = 0x80;
  PacketHeader header{.type = "unknown"};
  if (bytes.empty()) {
    return header;
  }
  header.flags = bytes[0];
  header.number_bytes = (header.flags & 3U) + 1;
  FrameBytes rest(bytes.subspan(1));
  if ((header.flags & kLongHeader) != 0) {
    read_long(header, rest);
  } else {
    header.type = "1RTT";
  }
  if (bytes.size() > header.number_bytes) {
    header.packet_number = big_endian(bytes.last(header.number_bytes));
  }
  return header;
}

std::uint64_t whole_number(const PacketHeader& header, std::uint64_t expected) {
  const std::uint64_t window = std::uint64_t{1} << (header.number_bytes * 8);
  const std::uint64_t candidate = (expected & ~(window - 1)) | header.packet_number;
  if (candidate + window / 2 <= expected) {
    return candidate + window;
  }
  return candidate > expected + window / 2 && candidate >= window ? candidate - window : candidate;
}

}  // namespace knul::quic
