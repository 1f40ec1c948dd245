// The style sheet of the admin page.
#pragma once

#include <string_view>

namespace knul::admin {

extern const std::string_view kPageStyle;

}  // namespace knul::admin
