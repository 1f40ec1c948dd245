#include "udp/route_lookup.hpp"

#include <cerrno>
#include <cstring>

#include "udp/file_descriptor.hpp"

namespace knul::udp {

base::Result<base::SocketAddress> source_address_for(const base::SocketAddress& remote) {
  const FileDescriptor fd(::socket(remote.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.value() < 0) {
    return base::Error{base::ErrorKind::kQuota, std::string("socket: ") + std::strerror(errno)};
  }
  // Connecting a datagram socket only looks up the route.
  if (::connect(fd.value(), remote.data(), remote.size()) != 0) {
    return base::Error{base::ErrorKind::kNetwork,
                       "no route to " + remote.to_string() + ": " + std::strerror(errno)};
  }
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (::getsockname(fd.value(), reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    return base::Error{base::ErrorKind::kNetwork, std::string("getsockname: ") + std::strerror(errno)};
  }
  base::SocketAddress source =
      base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&name), length);
  source.set_port(0);
  return source;
}

}  // namespace knul::udp
