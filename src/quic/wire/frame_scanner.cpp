#include "quic/wire/frame_scanner.hpp"

#include <algorithm>
#include <cstddef>

namespace knul::quic {
namespace {

struct Varint {
  std::uint64_t value = 0;
  std::size_t length = 0;  // in bytes; 0: the integer is incomplete
};

// RFC 9000 §16.
std::size_t varint_length(std::uint8_t first) { return std::size_t{1} << (first >> 6); }

[[gnu::noinline]] Varint read_varint(const std::uint8_t* at, const std::uint8_t* end) {
  if (at == end || static_cast<std::size_t>(end - at) < varint_length(*at)) {
    return {};
  }
  Varint read{*at & 0x3fu, varint_length(*at)};
  for (std::size_t i = 1; i < read.length; ++i) {
    read.value = read.value << 8 | at[i];
  }
  return read;
}

// Reads forward. It is empty after a read beyond the end. It runs for every packet and should stay in
// registers, so only inlined functions take its address.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  [[nodiscard]] bool is_empty() const { return at_ == end_; }
  // True after varint() on an incomplete integer.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

  // Fast for one byte, the length of most integers, and for two, the length of a full packet's data length.
  [[gnu::always_inline]] std::uint64_t varint() {
    if (at_ != end_ && *at_ < 0x40) {
      return *at_++;
    }
    if (end_ - at_ >= 2 && *at_ < 0x80) {
      const std::uint64_t value = (*at_ & 0x3fu) << 8 | at_[1];
      at_ += 2;
      return value;
    }
    const Varint read = read_varint(at_, end_);
    at_ += read.length;
    if (read.length == 0) {
      has_failed_ = true;
      end();
    }
    return read.value;
  }

  void skip(std::uint64_t count) { at_ = count > left() ? end_ : at_ + count; }
  void skip_varints(int count) {
    for (int i = 0; i < count; ++i)
      skip_varint();
  }
  void end() { at_ = end_; }
  // A first Initial packet holds a thousand bytes of PADDING, each a frame.
  void skip_zeros() {
    at_ = std::find_if(at_, end_, [](std::uint8_t byte) { return byte != 0; });
  }

  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

 private:
  void skip_varint() {
    if (is_empty() || left() < varint_length(*at_)) {
      return end();
    }
    at_ += varint_length(*at_);
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool has_failed_ = false;
};

// Returns the frame count that the ranges add.
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

bool is_stream(std::uint64_t type) { return (type & ~std::uint64_t{0x07}) == 0x08; }

void skip_stream(Reader& reader, std::uint64_t type) {
  constexpr std::uint64_t kOffset = 0x04;
  constexpr std::uint64_t kLength = 0x02;
  if ((type & kLength) == 0) {
    return reader.end();
  }
  reader.skip_varints((type & kOffset) != 0 ? 2 : 1);
  reader.skip(reader.varint());
}

// Skips a STREAM frame and returns the length of its data.
std::uint64_t read_stream_length(Reader& reader, std::uint64_t type) {
  constexpr std::uint64_t kOffset = 0x04;
  constexpr std::uint64_t kLength = 0x02;
  reader.skip_varints((type & kOffset) != 0 ? 2 : 1);
  const std::uint64_t length = (type & kLength) != 0 ? reader.varint() : reader.left();
  reader.skip(length);
  return length;
}

void skip_new_connection_id(Reader& reader) {
  reader.skip_varints(2);
  const std::uint64_t length = reader.varint();  // one byte, below 64, so a one-byte varint reads it
  reader.skip(length + 16);
}

// Other frame bodies by type, RFC 9000 §19 and RFC 9221 §4.
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
  Reader reader(payload);
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
  Reader reader(payload);
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
