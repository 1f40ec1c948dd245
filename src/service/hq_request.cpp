#include "service/hq_request.hpp"

#include <algorithm>

namespace knul::service {

std::string_view parse_hq_request(std::string_view line) {
  constexpr std::string_view kMethod = "GET /";
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (!line.starts_with(kMethod)) {
    return {};
  }
  line.remove_prefix(kMethod.size());
  // NUL is refused too: the kernel would end the name there.
  const bool has_control = std::any_of(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return has_control ? std::string_view{} : line;
}

}  // namespace knul::service
