// The request of HTTP/0.9: "GET /path" up to CR LF, LF or the end of the stream.
#pragma once

#include <cstddef>
#include <string_view>

namespace knul::service {

constexpr std::size_t kMaxHqRequestBytes = 4'096;

// `line`: without its line end. The path relative to the root, a view into `line`; empty for a request
// that is not understood: another method, no leading slash, no name, or a control character. Percent
// signs mean themselves.
[[nodiscard]] std::string_view parse_hq_request(std::string_view line);

}  // namespace knul::service
