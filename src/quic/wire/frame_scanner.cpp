#include "quic/wire/frame_scanner.hpp"

#include "quic/wire/frame_bytes.hpp"

namespace knul::quic {
namespace {

// Returns the frame count that the ranges add.
std::uint32_t skip_ack(FrameBytes& reader, bool has_ecn) {
  reader.skip_varints(2);
  const std::uint64_t ranges = reader.varint();
  reader.varint();
  std::uint32_t range = 0;
  for (; range < ranges && !reader.is_empty(); ++range) {
    reader.skip_varints(2);
  }
  if (has_ecn) {
    reader.skip_varints(3);
  }
  return range / PacketFrames::kRangesPerFrame;
}

bool is_stream(std::uint64_t type) { return (type & ~std::uint64_t{0x07}) == 0x08; }

void skip_stream(FrameBytes& reader, std::uint64_t type) {
  constexpr std::uint64_t kOffset = 0x04;
  constexpr std::uint64_t kLength = 0x02;
  if ((type & kLength) == 0) {
    return reader.end();
  }
  reader.skip_varints((type & kOffset) != 0 ? 2 : 1);
  reader.skip(reader.varint());
}

// Skips a STREAM frame and returns the length of its data.
std::uint64_t read_stream_length(FrameBytes& reader, std::uint64_t type) {
  constexpr std::uint64_t kOffset = 0x04;
  constexpr std::uint64_t kLength = 0x02;
  reader.skip_varints((type & kOffset) != 0 ? 2 : 1);
  const std::uint64_t length = (type & kLength) != 0 ? reader.varint() : reader.left();
  reader.skip(length);
  return length;
}

void skip_new_connection_id(FrameBytes& reader) {
  reader.skip_varints(2);
  const std::uint64_t length = reader.varint();  // one byte, below 64, so a one-byte varint reads it
  reader.skip(length + 16);
}

// Other frame bodies by type, RFC 9000 §19 and RFC 9221 §4.
void skip_body(FrameBytes& reader, std::uint64_t type) {
  switch (type) {
    case 0x00:
      return reader.skip_zeros();
    case 0x01:
    case 0x1e:
      return;
    case 0x04:
      return reader.skip_varints(3);
    case 0x06:
      reader.varint();
      return reader.skip(reader.varint());
    case 0x07:
    case 0x31:
      return reader.skip(reader.varint());
    case 0x10:
    case 0x12:
    case 0x13:
    case 0x14:
    case 0x16:
    case 0x17:
    case 0x19:
      return reader.skip_varints(1);
    case 0x11:
    case 0x15:
      return reader.skip_varints(2);
    case 0x18:
      return skip_new_connection_id(reader);
    case 0x1a:
    case 0x1b:
      return reader.skip(8);
    default:
      return reader.end();
  }
}

}  // namespace

PacketFrames scan_frames(std::span<const std::uint8_t> payload, std::vector<StopSending>& stops) {
  constexpr std::uint64_t kAck = 0x02;
  constexpr std::uint64_t kAckEcn = 0x03;
  constexpr std::uint64_t kStopSending = 0x05;
  constexpr std::uint64_t kCrypto = 0x06;
  PacketFrames found;
  FrameBytes reader(payload);
  while (!reader.is_empty()) {
    const std::uint64_t type = reader.varint();
    ++found.count;
    if (is_stream(type)) {
      skip_stream(reader, type);
      continue;
    }
    if (type == kAck || type == kAckEcn) {
      found.count += skip_ack(reader, type == kAckEcn);
      continue;
    }
    found.has_crypto = found.has_crypto || type == kCrypto;
    if (type != kStopSending) {
      skip_body(reader, type);
      continue;
    }
    const auto stream_id = static_cast<std::int64_t>(reader.varint());
    const std::uint64_t code = reader.varint();
    if (reader.has_failed()) {
      break;
    }
    stops.push_back({stream_id, code});
  }
  return found;
}

SentFrames scan_sent_frames(std::span<const std::uint8_t> payload) {
  constexpr std::uint64_t kAck = 0x02;
  constexpr std::uint64_t kAckEcn = 0x03;
  constexpr std::uint64_t kResetStream = 0x04;
  SentFrames found;
  FrameBytes reader(payload);
  while (!reader.is_empty()) {
    const std::uint64_t type = reader.varint();
    if (is_stream(type)) {
      found.stream_bytes += read_stream_length(reader, type);
    } else if (type == kAck || type == kAckEcn) {
      skip_ack(reader, type == kAckEcn);
    } else {
      found.resets += type == kResetStream ? 1 : 0;
      skip_body(reader, type);
    }
  }
  return found;
}

}  // namespace knul::quic
