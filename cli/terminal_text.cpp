#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

void append_escaped(std::string& out, char character) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(character);
  if (byte == '\\') {
    out += "\\\\";
  } else if (byte >= 0x20 && byte < 0x7f) {
    out += character;
  } else {
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

}  // namespace

std::string escaped(std::string_view text, std::size_t most) {
  constexpr std::string_view kMore = "...";
  std::string out;
  for (const char character : text) {
    append_escaped(out, character);
    if (out.size() > most) {
      out.resize(most > kMore.size() ? most - kMore.size() : 0);
      return out.append(kMore.substr(0, most));
    }
  }
  return out;
}

std::string fitted(std::string_view text, std::size_t width, Align align) {
  if (text.size() > width) {
    return width == 0 ? std::string() : std::string(text.substr(0, width - 1)) + "~";
  }
  const std::string space(width - text.size(), ' ');
  return align == Align::kLeft ? std::string(text) + space : space + std::string(text);
}

std::string fitted_in_middle(std::string_view text, std::size_t width) {
  if (text.size() <= width || width < 3) {
    return fitted(text, width);
  }
  const std::size_t tail = (width - 1) / 2;
  return std::string(text.substr(0, width - 1 - tail)) + "~" + std::string(text.substr(text.size() - tail));
}

}  // namespace knul::cli
