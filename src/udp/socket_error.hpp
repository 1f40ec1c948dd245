// Errors of socket calls as values.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/socket_address.hpp"

namespace knul::udp {

// The Error for the errno `error` of `action` ("bind", "open a socket for") on `address`: its kind, and a
// text with address, port, cause and remedy.
[[nodiscard]] base::Error socket_error(int error, std::string_view action,
                                       const base::SocketAddress& address);

}  // namespace knul::udp
