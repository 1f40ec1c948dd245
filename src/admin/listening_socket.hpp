// Opens the socket of the admin listener.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "base/socket_address.hpp"
#include "posix/file_descriptor.hpp"

namespace knul::admin {

struct UnixPath {
  std::string path;
};
using AdminAddress = std::variant<base::SocketAddress, UnixPath>;

// See AdminListener::start.
[[nodiscard]] base::Result<AdminAddress> parse_admin_address(std::string_view text);

struct ListeningSocket {
  posix::FileDescriptor fd;  // non-blocking
  std::string address;       // with the port in use
};
[[nodiscard]] base::Result<ListeningSocket> open_listening_socket(const AdminAddress& address);

}  // namespace knul::admin
