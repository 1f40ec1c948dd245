// Reads the integers and bytes of frames (RFC 9000 §16, §19).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace knul::quic {

struct Varint {
  std::uint64_t value = 0;
  std::size_t length = 0;  // in bytes; 0: the integer is incomplete
};

// RFC 9000 §16.
inline std::size_t varint_length(std::uint8_t first) { return std::size_t{1} << (first >> 6); }

[[gnu::noinline]] inline Varint read_varint(const std::uint8_t* at, const std::uint8_t* end) {
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
// registers, so functions that are not inlined take and return copies of it.
class FrameBytes {
 public:
  explicit FrameBytes(std::span<const std::uint8_t> bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

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

  // At most `count` bytes, fewer at the end.
  std::span<const std::uint8_t> take(std::uint64_t count) {
    const std::uint8_t* const begin = at_;
    skip(count);
    return {begin, at_};
  }
  void skip(std::uint64_t count) { at_ = count > left() ? end_ : at_ + count; }
  [[gnu::always_inline]] void skip_varint() {
    if (is_empty() || left() < varint_length(*at_)) {
      return end();
    }
    at_ += varint_length(*at_);
  }
  [[gnu::always_inline]] void skip_varints(int count) {
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
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool has_failed_ = false;
};

}  // namespace knul::quic
