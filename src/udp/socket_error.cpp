#include "udp/socket_error.hpp"

#include <cerrno>
#include <string>
#include <system_error>

namespace knul::udp {
namespace {

base::ErrorKind kind_of(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
      return base::ErrorKind::kQuota;
    case ENOMEM:
    case ENOBUFS:
      return base::ErrorKind::kOutOfMemory;
    default:
      return base::ErrorKind::kNetwork;
  }
}

// The setting that caused the error: port or host. Empty: neither did.
std::string_view field_of(int error) {
  switch (error) {
    case EADDRINUSE:
    case EACCES:
      return "port: ";
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return "host: ";
    default:
      return "";
  }
}

std::string_view hint_of(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; choose another port or stop the server that uses this one";
    case EADDRNOTAVAIL:
      return "; no interface of this machine has that address";
    case EACCES:
      return "; ports below 1024 need the privilege CAP_NET_BIND_SERVICE";
    case EAFNOSUPPORT:
      return "; this system has no support for that address family";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (RLIMIT_NOFILE)";
    default:
      return "";
  }
}

}  // namespace

base::Error socket_error(int error, std::string_view action, const base::SocketAddress& address) {
  std::string message(field_of(error));
  message += "cannot ";
  message += action;
  message += " UDP address " + address.ip_to_string() + " port " + std::to_string(address.port()) + ": " +
             std::generic_category().message(error);
  message += hint_of(error);
  return {kind_of(error), std::move(message)};
}

}  // namespace knul::udp
