#include "abi/utf8.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace knul::abi {

namespace {

bool is_between(std::uint8_t byte, std::uint8_t low, std::uint8_t high) {
  return byte >= low && byte <= high;
}

// RFC 3629 §4: the length of the first character; 0: it is not valid.
std::size_t character_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const std::uint8_t first = at(0);
  if (first < 0x80) {
    return 1;
  }
  std::size_t size = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (is_between(first, 0xc2, 0xdf)) {
    size = 2;
  } else if (is_between(first, 0xe0, 0xef)) {
    size = 3;
    low = first == 0xe0 ? 0xa0 : low;    // only the shortest form
    high = first == 0xed ? 0x9f : high;  // no surrogates
  } else if (is_between(first, 0xf0, 0xf4)) {
    size = 4;
    low = first == 0xf0 ? 0x90 : low;
    high = first == 0xf4 ? 0x8f : high;  // nothing above U+10FFFF
  }
  if (size == 0 || !is_between(at(1), low, high)) {
    return 0;
  }
  for (std::size_t i = 2; i < size; ++i) {
    if (!is_between(at(i), 0x80, 0xbf)) {
      return 0;
    }
  }
  return size;
}

bool is_control(char byte) { return static_cast<std::uint8_t>(byte) < 0x20 || byte == 0x7f; }

}  // namespace

void copy_as_utf8(std::string_view text, std::span<char> to) noexcept {
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    const bool is_shown = size > 0 && !is_control(text.front());
    const std::string_view piece = is_shown ? text.substr(0, size) : "?";
    if (used + piece.size() >= to.size()) {
      break;
    }
    std::ranges::copy(piece, to.begin() + static_cast<std::ptrdiff_t>(used));
    used += piece.size();
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  to[used] = '\0';
}

}  // namespace knul::abi
