#include "udp.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace knul::attack {
namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in to_native(Address address) {
  sockaddr_in native{};
  native.sin_family = AF_INET;
  native.sin_port = htons(address.port);
  native.sin_addr.s_addr = htonl(0x7f000000U | address.host);
  return native;
}

Address from_native(const sockaddr_in& native) {
  return {static_cast<std::uint16_t>(ntohl(native.sin_addr.s_addr)), ntohs(native.sin_port)};
}

void wait_for_room(int descriptor) {
  pollfd source{descriptor, POLLOUT, 0};
  (void)poll(&source, 1, 1000);
}

// ECONNREFUSED tells of an earlier datagram; the attack goes on.
bool is_passing(int error) {
  return error == EAGAIN || error == ENOBUFS || error == EINTR || error == ECONNREFUSED;
}

}  // namespace

Udp::Udp(std::uint16_t host) : descriptor_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  const sockaddr_in local = to_native({host, 0});
  if (descriptor_ < 0 || bind(descriptor_, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
    fail("a UDP socket on 127.0.0.0/8");
  }
}

Udp::Udp(Udp&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Udp::~Udp() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

Address Udp::local() const {
  sockaddr_in native{};
  socklen_t length = sizeof native;
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&native), &length) != 0) {
    fail("getsockname");
  }
  return from_native(native);
}

void Udp::send(Address to, View datagram) const {
  const sockaddr_in native = to_native(to);
  while (sendto(descriptor_, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&native),
                sizeof native) < 0) {
    if (!is_passing(errno)) {
      fail("sendto");
    }
    if (errno == EAGAIN || errno == ENOBUFS) {
      wait_for_room(descriptor_);
    }
  }
}

void Udp::send_all(Address to, std::span<const Bytes> datagrams) const {
  constexpr std::size_t kBatch = 64;
  sockaddr_in native = to_native(to);
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  while (!datagrams.empty()) {
    const std::size_t count = std::min(kBatch, datagrams.size());
    for (std::size_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<std::uint8_t*>(datagrams[i].data()), datagrams[i].size()};
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_name = &native;
      messages[i].msg_hdr.msg_namelen = sizeof native;
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(descriptor_, messages.data(), static_cast<unsigned>(count), 0);
    if (sent < 0 && !is_passing(errno)) {
      fail("sendmmsg");
    }
    if (sent < 0 && errno != ECONNREFUSED) {
      wait_for_room(descriptor_);
    }
    datagrams = datagrams.subspan(sent > 0 ? static_cast<std::size_t>(sent) : 0);
  }
}

std::optional<Bytes> Udp::receive(std::chrono::milliseconds timeout, Address* from) const {
  thread_local Bytes buffer(65'536);
  const Clock::time_point end = Clock::now() + timeout;
  while (true) {
    sockaddr_in native{};
    socklen_t length = sizeof native;
    const ssize_t got =
        recvfrom(descriptor_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&native), &length);
    if (got >= 0) {
      if (from != nullptr) {
        *from = from_native(native);
      }
      return Bytes(buffer.begin(), buffer.begin() + got);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (!is_passing(errno)) {
      fail("recvfrom");
    }
    if (left <= 0ms) {
      return std::nullopt;
    }
    pollfd source{descriptor_, POLLIN, 0};
    (void)poll(&source, 1, static_cast<int>(left.count()));
  }
}

}  // namespace knul::attack
