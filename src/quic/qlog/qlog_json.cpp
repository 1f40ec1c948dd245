#include "quic/qlog/qlog_json.hpp"

#include <charconv>
#include <iterator>

#include "base/text.hpp"

namespace knul::quic {

QlogJson& QlogJson::comma() {
  const bool is_first = out_.empty() || out_.back() == '{' || out_.back() == '[' || out_.back() == '\x1e';
  return raw(is_first ? "" : ",");
}

QlogJson& QlogJson::begin(char bracket) { return comma().raw({&bracket, 1}); }

QlogJson& QlogJson::key(std::string_view name) { return comma().raw("\"").raw(name).raw("\":"); }

QlogJson& QlogJson::digits(std::uint64_t value) {
  char text[20];
  return raw({text, std::to_chars(std::begin(text), std::end(text), value).ptr});
}

QlogJson& QlogJson::text(std::string_view name, std::string_view text) {
  return key(name).raw("\"").raw(text).raw("\"");
}

QlogJson& QlogJson::foreign(std::string_view name, std::string_view bytes) {
  key(name).raw("\"");
  for (const char byte : bytes.substr(0, kMostForeignBytes)) {
    const auto value = static_cast<std::uint8_t>(byte);
    if (value < 0x20 || value >= 0x7f || byte == '"' || byte == '\\') {
      base::append_hexadecimal(out_ += "\\u00", value);
    } else {
      out_ += byte;
    }
  }
  return raw(bytes.size() > kMostForeignBytes ? "\\u2026\"" : "\"");
}

QlogJson& QlogJson::hex(std::string_view name, std::span<const std::uint8_t> bytes) {
  key(name).raw("\"");
  for (const std::uint8_t byte : bytes) {
    base::append_hexadecimal(out_, byte);
  }
  return raw("\"");
}

QlogJson& QlogJson::milliseconds(std::string_view name, base::Duration duration) {
  const auto us = static_cast<std::uint64_t>(duration.count()) / 1'000;
  const auto digit = [](std::uint64_t value) { return static_cast<char>('0' + value % 10); };
  const char fraction[] = {'.', digit(us / 100), digit(us / 10), digit(us)};
  return key(name).digits(us / 1'000).raw({fraction, sizeof fraction});
}

}  // namespace knul::quic
