// The script of the admin page. It reads /stats, /metrics and /connections. Texts of servers and peers enter
// the document as text, never as HTML.
#pragma once

#include <string_view>

namespace knul::admin {

extern const std::string_view kPageScript;

}  // namespace knul::admin
