// Names as text for people.
#pragma once

#include <string>
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

}  // namespace knul::base
