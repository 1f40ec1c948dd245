#include "quic/frame_scanner.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace knul::quic {
namespace {

// Reads forward; once anything is missing it stays failed and empty.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  [[nodiscard]] bool has_failed() const { return has_failed_; }

  // RFC 9000 §16. Most are of one byte.
  [[gnu::always_inline]] std::uint64_t varint() {
    if (!rest_.empty() && rest_[0] < 0x40) {
      const std::uint64_t value = rest_[0];
      rest_ = rest_.subspan(1);
      return value;
    }
    return long_varint();
  }

  void skip(std::uint64_t count) { rest_ = count > rest_.size() ? rest_.last(0) : rest_.subspan(count); }
  void skip_varints(int count) {
    for (int i = 0; i < count; ++i)
      skip_varint();
  }
  void end() { rest_ = {}; }
  // A first Initial packet holds a thousand bytes of PADDING, which are frames of one byte each.
  void skip_zeros() {
    const auto end = std::find_if(rest_.begin(), rest_.end(), [](std::uint8_t byte) { return byte != 0; });
    rest_ = rest_.subspan(static_cast<std::size_t>(end - rest_.begin()));
  }

 private:
  // Of the varint that comes next; 0: it is not all there.
  std::size_t varint_length() {
    const std::size_t length = rest_.empty() ? 1 : std::size_t{1} << (rest_[0] >> 6);
    if (rest_.size() >= length) {
      return length;
    }
    has_failed_ = true;
    rest_ = {};
    return 0;
  }

  void skip_varint() { rest_ = rest_.subspan(varint_length()); }

  [[gnu::noinline]] std::uint64_t long_varint() {
    const std::size_t length = varint_length();
    if (length == 0) {
      return 0;
    }
    std::uint64_t value = rest_[0] & 0x3f;
    for (std::size_t i = 1; i < length; ++i) {
      value = value << 8 | rest_[i];
    }
    rest_ = rest_.subspan(length);
    return value;
  }

  std::span<const std::uint8_t> rest_;
  bool has_failed_ = false;
};

// Gives what the ranges count for.
std::uint32_t skip_ack(Reader& reader, bool has_ecn) {
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

void skip_stream(Reader& reader, std::uint64_t type) {
  constexpr std::uint64_t kOffset = 0x04;
  constexpr std::uint64_t kLength = 0x02;
  if ((type & kLength) == 0) {
    return reader.end();
  }
  reader.skip_varints((type & kOffset) != 0 ? 2 : 1);
  reader.skip(reader.varint());
}

void skip_new_connection_id(Reader& reader) {
  reader.skip_varints(2);
  const std::uint64_t length = reader.varint();  // one byte, below 64, so a varint of one byte
  reader.skip(length + 16);
}

// Frame bodies by type, RFC 9000 §19 and RFC 9221 §4.
void skip_body(Reader& reader, std::uint64_t type) {
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
      return type >= 0x08 && type <= 0x0f ? skip_stream(reader, type) : reader.end();
  }
}

}  // namespace

PacketFrames scan_frames(std::span<const std::uint8_t> payload, std::vector<StopSending>& stops) {
  constexpr std::uint64_t kAck = 0x02;
  constexpr std::uint64_t kAckEcn = 0x03;
  constexpr std::uint64_t kStopSending = 0x05;
  constexpr std::uint64_t kCrypto = 0x06;
  PacketFrames found;
  Reader reader(payload);
  while (!reader.is_empty()) {
    const std::uint64_t type = reader.varint();
    ++found.count;
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

}  // namespace knul::quic
