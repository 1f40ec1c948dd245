// The page of the admin listener: one HTML document without outside resources.
#pragma once

#include <string>

namespace knul::admin {

// Throws std::bad_alloc.
[[nodiscard]] std::string page_html();

}  // namespace knul::admin
