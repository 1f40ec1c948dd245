#include "udp/socket_calls.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

#include "posix/file_descriptor.hpp"

namespace knul::udp {

int SocketCalls::open(int family) {
  return ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
}

int SocketCalls::duplicate(int fd) { return ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); }

int SocketCalls::set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags < 0 ? flags : ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool SocketCalls::is_connected(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof(peer);
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

int SocketCalls::bind(int fd, const base::SocketAddress& address) {
  return ::bind(fd, address.data(), address.size());
}

int SocketCalls::set_option(int fd, int level, int name, const void* value, socklen_t length) {
  return ::setsockopt(fd, level, name, value, length);
}

int SocketCalls::get_option(int fd, int level, int name, void* value, socklen_t* length) {
  return ::getsockopt(fd, level, name, value, length);
}

int SocketCalls::local_address(int fd, sockaddr_storage* address, socklen_t* length) {
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(address), length);
}

int SocketCalls::send(int fd, mmsghdr* messages, unsigned count) {
  return ::sendmmsg(fd, messages, count, MSG_NOSIGNAL);
}

int SocketCalls::receive(int fd, mmsghdr* messages, unsigned count) {
  return ::recvmmsg(fd, messages, count, MSG_DONTWAIT, nullptr);
}

int SocketCalls::wait_readable(int fd, int timeout_ms) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, timeout_ms);
}

std::size_t SocketCalls::core_limit(const char* name) {
  const std::string path = std::string("/proc/sys/net/core/") + name;
  const posix::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  const ssize_t length = ::read(file.value(), text.data(), text.size());
  std::size_t bytes = 0;
  if (length > 0) {
    std::from_chars(text.data(), text.data() + length, bytes);
  }
  return bytes;
}

SocketCalls& SocketCalls::system() {
  static SocketCalls calls;  // has no state
  return calls;
}

}  // namespace knul::udp
