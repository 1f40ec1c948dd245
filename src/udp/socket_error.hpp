#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/socket_address.hpp"

namespace knul::udp {

// The Error for `error` (an errno) of `action` ("bind", "open a socket for") on `address`: its kind, and a
// text with address, port, cause and what to do about it.
[[nodiscard]] base::Error socket_error(int error, std::string_view action,
                                       const base::SocketAddress& address);

}  // namespace knul::udp
