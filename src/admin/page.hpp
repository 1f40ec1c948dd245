// The page of the admin listener: one HTML text without outside resources.
#pragma once

#include <string_view>

namespace knul::admin {

extern const std::string_view kPage;

}  // namespace knul::admin
