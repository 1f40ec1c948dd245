// The only mapping from the layers' errors to ABI codes.
#pragma once

#include <krepis/krepis.hpp>

#include "base/error.hpp"

namespace knul::server {

[[nodiscard]] krepis::ErrorCode error_code_of(base::ErrorKind kind) noexcept;
[[nodiscard]] krepis::Error to_public(base::Error error);
// "InvalidRequest"; "Reserved" for a number that ErrorCode does not list.
[[nodiscard]] const char* error_name(std::uint32_t code) noexcept;

}  // namespace knul::server
