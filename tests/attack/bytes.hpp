// Bytes as QUIC writes them: big-endian numbers and variable-length integers (RFC 9000 §16).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace knul::attack {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

inline void append(Bytes& out, View bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

inline void append_number(Bytes& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

// The shortest form. Values of 2^62 and above lose their upper bits.
inline void append_varint(Bytes& out, std::uint64_t value) {
  if (value < 1U << 6) {
    append_number(out, value, 1);
  } else if (value < 1U << 14) {
    append_number(out, value | 0x4000U, 2);
  } else if (value < 1U << 30) {
    append_number(out, value | 0x80000000U, 4);
  } else {
    append_number(out, (value & 0x3fffffffffffffffU) | 0xc000000000000000U, 8);
  }
}

inline Bytes concat(std::initializer_list<View> parts) {
  Bytes out;
  for (const View part : parts) {
    append(out, part);
  }
  return out;
}

inline Bytes repeat(View unit, std::size_t times) {
  Bytes out;
  out.reserve(unit.size() * times);
  for (std::size_t i = 0; i < times; ++i) {
    append(out, unit);
  }
  return out;
}

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

// Reads a packet from its front. After the end everything is 0 and `is_whole` is false.
class Reader {
 public:
  explicit Reader(View bytes) : rest_(bytes) {}
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] View rest() const { return rest_; }
  View take(std::size_t length) {
    if (length > rest_.size()) {
      is_whole_ = false;
      rest_ = {};
      return {};
    }
    const View taken = rest_.first(length);
    rest_ = rest_.subspan(length);
    return taken;
  }
  std::uint64_t number(std::size_t length) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(length)) {
      value = value << 8 | byte;
    }
    return value;
  }
  std::uint64_t varint() {
    if (rest_.empty()) {
      is_whole_ = false;
      return 0;
    }
    const std::size_t length = std::size_t{1} << (rest_[0] >> 6);
    const std::uint64_t value = number(length);
    return length == 8 ? value & 0x3fffffffffffffffU : value & ((std::uint64_t{1} << (8 * length - 2)) - 1);
  }

 private:
  View rest_;
  bool is_whole_ = true;
};

}  // namespace knul::attack
