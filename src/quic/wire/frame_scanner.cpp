#include "quic/wire/frame_scanner.hpp"

#include "quic/wire/frame_bytes.hpp"
#include "quic/wire/frame_types.hpp"

namespace knul::quic {
namespace {

// Returns the frame count that the ranges add.
[[gnu::always_inline]] inline std::uint32_t read_ack(FrameBytes& reader, bool has_ecn, ResendWatch& acks) {
  const std::uint64_t largest = reader.varint();
  reader.skip_varint();
  const std::uint64_t ranges = reader.varint();
  acks.note_ack(largest, reader.varint(), ranges);
  std::uint32_t range = 0;
  for (; range < ranges && !reader.is_empty(); ++range) {
    reader.skip_varints(2);
  }
  if (has_ecn) {
    reader.skip_varints(3);
  }
  return range / PacketFrames::kRangesPerFrame;
}

[[gnu::always_inline]] inline void skip_stream(FrameBytes& reader, std::uint64_t type) {
  if ((type & frame::kStreamHasLength) == 0) {
    return reader.end();
  }
  reader.skip_varint();
  if ((type & frame::kStreamHasOffset) != 0) {
    reader.skip_varint();
  }
  reader.skip(reader.varint());
}

// Skips a STREAM frame and returns the length of its data.
[[gnu::always_inline]] inline std::uint64_t read_stream_length(FrameBytes& reader, std::uint64_t type) {
  reader.skip_varint();
  if ((type & frame::kStreamHasOffset) != 0) {
    reader.skip_varint();
  }
  const std::uint64_t length = (type & frame::kStreamHasLength) != 0 ? reader.varint() : reader.left();
  reader.skip(length);
  return length;
}

// Other frame bodies by type, RFC 9000 §19 and RFC 9221 §4. Returns the reader behind the body.
[[gnu::noinline]] FrameBytes skip_body(FrameBytes reader, std::uint64_t type) {
  switch (type) {
    case frame::kPadding:
      reader.skip_zeros();
      break;
    case frame::kPing:
    case frame::kHandshakeDone:
      break;
    case frame::kResetStream:
      reader.skip_varints(3);
      break;
    case frame::kCrypto:
      reader.skip_varint();
      reader.skip(reader.varint());
      break;
    case frame::kNewToken:
    case frame::kDatagramWithLength:
      reader.skip(reader.varint());
      break;
    case frame::kMaxData:
    case frame::kMaxStreamsBidi:
    case frame::kMaxStreamsUni:
    case frame::kDataBlocked:
    case frame::kStreamsBlockedBidi:
    case frame::kStreamsBlockedUni:
    case frame::kRetireConnectionId:
      reader.skip_varint();
      break;
    case frame::kMaxStreamData:
    case frame::kStreamDataBlocked:
      reader.skip_varints(2);
      break;
    case frame::kNewConnectionId:  // the length of the ID is one byte, below 64, so a one-byte integer
      reader.skip_varints(2);
      reader.skip(reader.varint() + 16);
      break;
    case frame::kPathChallenge:
    case frame::kPathResponse:
      reader.skip(8);
      break;
    default:
      reader.end();
  }
  return reader;
}

}  // namespace

PacketFrames scan_frames(std::span<const std::uint8_t> payload, std::vector<StopSending>& stops,
                         ResendWatch& acks) {
  PacketFrames found;
  FrameBytes reader(payload);
  while (!reader.is_empty()) {
    const std::uint64_t type = reader.varint();
    ++found.count;
    if (frame::is_stream(type)) {
      skip_stream(reader, type);
      continue;
    }
    if (type == frame::kAck || type == frame::kAckEcn) {
      found.count += read_ack(reader, type == frame::kAckEcn, acks);
      continue;
    }
    found.has_crypto = found.has_crypto || type == frame::kCrypto;
    if (type != frame::kStopSending) {
      reader = skip_body(reader, type);
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

namespace {

// Adds the frames of `payload` to `found`.
[[gnu::noinline]] SentFrames scan_rest(std::span<const std::uint8_t> payload, SentFrames found) {
  FrameBytes reader(payload);
  ResendWatch acks_of_this_side;  // not used
  while (!reader.is_empty()) {
    const std::uint64_t type = reader.varint();
    if (frame::is_stream(type)) {
      found.stream_bytes += read_stream_length(reader, type);
    } else if (type == frame::kAck || type == frame::kAckEcn) {
      read_ack(reader, type == frame::kAckEcn, acks_of_this_side);
    } else {
      found.resets += type == frame::kResetStream ? 1 : 0;
      reader = skip_body(reader, type);
    }
  }
  return found;
}

}  // namespace

// STREAM, ACK and MAX_* frames fill most packets, so this loop reads them without a check of each byte and
// without a call. Everything else is for scan_rest().
SentFrames scan_sent_frames(std::span<const std::uint8_t> payload) {
  // At least the longest frame without its data: a type and four integers of 8 bytes.
  constexpr std::ptrdiff_t kLongestHead = 33;
  SentFrames found;
  const std::uint8_t* at = payload.data();
  const std::uint8_t* const end = at + payload.size();
  while (end - at >= kLongestHead) {
    const std::uint8_t type = *at;
    const std::uint8_t* next = at + 1;
    next += varint_length(*next);
    if (frame::is_stream(type) && (type & frame::kStreamHasLength) != 0) {
      next += (type & frame::kStreamHasOffset) != 0 ? varint_length(*next) : 0;
      if (*next >= 0x80) {
        break;
      }
      const std::ptrdiff_t length = *next < 0x40 ? *next : (*next & 0x3f) << 8 | next[1];
      next += varint_length(*next);
      if (length > end - next) {
        break;
      }
      next += length;
      found.stream_bytes += static_cast<std::uint64_t>(length);
    } else if (type == frame::kAck) {
      next += varint_length(*next);
      const unsigned integers = 1 + 2U * *next;  // the first range, and a gap and a length for each other
      if (*next >= 0x40 || end - next <= 8 * static_cast<std::ptrdiff_t>(integers)) {
        break;
      }
      ++next;
      for (unsigned i = 0; i < integers; ++i) {
        next += varint_length(*next);
      }
    } else if (type == frame::kMaxStreamData) {
      next += varint_length(*next);
    } else if (type != frame::kMaxData && type != frame::kMaxStreamsBidi) {
      break;
    }
    at = next;
  }
  return at == end ? found : scan_rest({at, end}, found);
}

}  // namespace knul::quic
