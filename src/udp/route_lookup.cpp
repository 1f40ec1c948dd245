#include "udp/route_lookup.hpp"

#include <cerrno>
#include <cstring>

#include "posix/file_descriptor.hpp"

namespace knul::udp {

base::Result<base::SocketAddress> source_address_for(const base::SocketAddress& remote) {
  const posix::FileDescriptor fd(::socket(remote.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.value() < 0) {
    return base::Error{base::ErrorKind::kQuota, std::string("cannot open a socket: ") + std::strerror(errno)};
  }
  // Connecting a datagram socket only looks up the route.
  if (::connect(fd.value(), remote.data(), remote.size()) != 0) {
    return base::Error{base::ErrorKind::kNetwork,
                       "no route to " + remote.to_string() + ": " + std::strerror(errno)};
  }
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (::getsockname(fd.value(), reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    return base::Error{base::ErrorKind::kNetwork,
                       std::string("cannot read the local address of a socket: ") + std::strerror(errno)};
  }
  base::SocketAddress source =
      base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&name), length);
  source.set_port(0);
  return source;
}

bool is_network_broadcast(const base::SocketAddress& address) {
  if (!address.is_v4()) {
    return false;
  }
  const posix::FileDescriptor fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  base::SocketAddress target = address;
  target.set_port(9);  // any port, because nothing is sent
  // A security policy may refuse connect() with the same error, but then it refuses it with the option too.
  if (!fd.is_open() || ::connect(fd.value(), target.data(), target.size()) == 0 || errno != EACCES) {
    return false;
  }
  const int on = 1;
  return ::setsockopt(fd.value(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0 &&
         ::connect(fd.value(), target.data(), target.size()) == 0;
}

}  // namespace knul::udp
