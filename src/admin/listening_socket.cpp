#include "admin/listening_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace knul::admin {
namespace {

using base::Error;
using base::ErrorKind;

constexpr std::string_view kUnix = "unix:";
constexpr int kBacklog = 128;
constexpr int kStream = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

Error wrong(std::string_view text) {
  return {ErrorKind::kInvalidArgument,
          "admin is \"" + std::string(text.substr(0, 80)) +
              "\", expected an address and a port such as 127.0.0.1:9090 or [::1]:9090, or unix: and a path"};
}

Error failed(const std::string& address, const char* what, int error) {
  const bool is_shortage = error == EMFILE || error == ENFILE;
  return {
      is_shortage ? ErrorKind::kQuota : ErrorKind::kNetwork,
      "admin: cannot " + std::string(what) + " " + address + ": " + std::system_category().message(error)};
}

sockaddr_un to_sockaddr(const UnixPath& unix_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  unix_path.path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

// Removes a socket that nobody listens on. Leaves every other file.
void remove_stale(const UnixPath& unix_path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(unix_path.path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) {
    return;
  }
  const posix::FileDescriptor probe(::socket(AF_UNIX, kStream, 0));
  if (::connect(probe.value(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno == ECONNREFUSED) {
    ::unlink(unix_path.path.c_str());
  }
}

base::Result<ListeningSocket> open(const UnixPath& unix_path) {
  const std::string shown = std::string(kUnix) + unix_path.path;
  posix::FileDescriptor fd(::socket(AF_UNIX, kStream, 0));
  if (!fd.is_open()) {
    return failed(shown, "open", errno);
  }
  const sockaddr_un address = to_sockaddr(unix_path);
  remove_stale(unix_path, address);
  // On Linux the mode of the descriptor, set before bind, is that of the socket's file.
  if (::fchmod(fd.value(), 0600) != 0 ||
      ::bind(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd.value(), kBacklog) != 0) {
    return failed(shown, "listen on", errno);
  }
  return ListeningSocket{std::move(fd), shown};
}

base::Result<ListeningSocket> open(const base::SocketAddress& asked) {
  base::SocketAddress address = asked;
  posix::FileDescriptor fd(::socket(address.family(), kStream, 0));
  if (!fd.is_open()) {
    return failed(address.to_string(), "open", errno);
  }
  const int on = 1;
  ::setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.is_v6()) {
    ::setsockopt(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  socklen_t size = address.size();
  if (::bind(fd.value(), address.data(), size) != 0 || ::listen(fd.value(), kBacklog) != 0 ||
      ::getsockname(fd.value(), address.data(), &size) != 0) {
    return failed(address.to_string(), "listen on", errno);
  }
  return ListeningSocket{std::move(fd), address.to_string()};
}

}  // namespace

base::Result<AdminAddress> parse_admin_address(std::string_view text) {
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    const bool is_usable = !path.empty() && path.size() < sizeof(sockaddr_un::sun_path);
    return is_usable ? base::Result<AdminAddress>(UnixPath{std::string(path)}) : wrong(text);
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return wrong(text);
  }
  std::string_view host = text.substr(0, colon);
  const bool has_brackets = host.starts_with('[') && host.ends_with(']');
  if (has_brackets) {
    host = host.substr(1, host.size() - 2);
  }
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, port);
  const auto address = base::SocketAddress::parse(host, port);
  if (read.ec != std::errc{} || read.ptr != end || !address || address->is_v6() != has_brackets) {
    return wrong(text);
  }
  return AdminAddress(*address);
}

base::Result<ListeningSocket> open_listening_socket(const AdminAddress& address) {
  return std::visit([](const auto& known) { return open(known); }, address);
}

}  // namespace knul::admin
