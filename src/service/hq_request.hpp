// The HTTP/0.9 request: "GET /path" up to CR LF, LF or the end of the stream.
#pragma once

#include <cstddef>
#include <string_view>

namespace knul::service {

constexpr std::size_t kMaxHqRequestBytes = 4'096;

// `line` has no line end. Returns the path relative to the root, a view into `line`. Empty for an invalid
// request: another method, no leading slash, no name, or a control character. Percent signs are literal.
[[nodiscard]] std::string_view parse_hq_request(std::string_view line);

}  // namespace knul::service
