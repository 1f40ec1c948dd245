// Names, codes and foreign texts as text for people.
#pragma once

#include <charconv>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace knul::base {

// "a, b, c"; "none" for an empty list. Bytes that are not printable ASCII become '?', because a peer may have
// chosen the names.
[[nodiscard]] inline std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += text.empty() ? "" : ", ";
    for (const char byte : name) {
      text += byte > ' ' && byte < 0x7f ? byte : '?';
    }
  }
  return text.empty() ? "none" : text;
}

// Appends two lower-case digits.
inline void append_hexadecimal(std::string& text, std::uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  text.append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
}

// Two lower-case digits for each byte.
[[nodiscard]] inline std::string hexadecimal(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    append_hexadecimal(text, byte);
  }
  return text;
}

// The text between double quotes. Bytes that are not printable ASCII become "\\x1b"; a quote and a backslash
// get a backslash. So a text that a peer chose neither ends a line nor controls a terminal.
[[nodiscard]] inline std::string quoted(std::string_view foreign) {
  std::string text = "\"";
  for (const char byte : foreign) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value >= 0x7f) {
      append_hexadecimal(text += "\\x", value);
    } else {
      text.append(byte == '"' || byte == '\\' ? "\\" : "").append(1, byte);
    }
  }
  return text + '"';
}

// "0x178 (376)", as error codes are written in the RFCs and in statistics.
[[nodiscard]] inline std::string code_text(std::uint64_t code) {
  char digits[16];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), code, 16).ptr;
  return "0x" + std::string(digits, end) + " (" + std::to_string(code) + ")";
}

}  // namespace knul::base
