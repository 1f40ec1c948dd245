// Appends JSON to a text. Bytes that a peer chose are escaped.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace knul::quic {

// Sets the commas. Lifetime: the string outlives this object.
class QlogJson {
 public:
  explicit QlogJson(std::string& out) : out_(out) {}

  // `bracket` is '{' or '['. The named forms begin a member of an object.
  QlogJson& begin(char bracket);
  QlogJson& begin(std::string_view name, char bracket) { return key(name).raw({&bracket, 1}); }
  QlogJson& end(char bracket) { return raw({&bracket, 1}); }

  // `text` needs no escape.
  QlogJson& text(std::string_view name, std::string_view text);
  // Bytes other than printable ASCII become \u00XX. A text above kMostForeignBytes is cut.
  QlogJson& foreign(std::string_view name, std::string_view bytes);
  QlogJson& hex(std::string_view name, std::span<const std::uint8_t> bytes);
  QlogJson& number(std::string_view name, std::uint64_t value) { return key(name).digits(value); }
  QlogJson& item(std::uint64_t value) { return comma().digits(value); }
  QlogJson& boolean(std::string_view name, bool value) { return key(name).raw(value ? "true" : "false"); }
  // Milliseconds with three decimals.
  QlogJson& milliseconds(std::string_view name, base::Duration duration);

  static constexpr std::size_t kMostForeignBytes = 256;

 private:
  QlogJson& key(std::string_view name);
  QlogJson& comma();
  QlogJson& digits(std::uint64_t value);
  QlogJson& raw(std::string_view text) {
    out_ += text;
    return *this;
  }

  std::string& out_;
};

}  // namespace knul::quic
