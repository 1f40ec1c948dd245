#include "loopback/udp_proxy.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

namespace knul::test {
namespace {

using std::chrono::milliseconds;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* as_sockaddr(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

int open_socket() {
  constexpr int kBufferBytes = 4 << 20;  // the kernel gives what it allows
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_in address = loopback(0);
  if (fd < 0 || ::bind(fd, as_sockaddr(address), sizeof address) != 0) {
    std::abort();
  }
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  return fd;
}

}  // namespace

UdpProxy::UdpProxy(std::uint16_t server_port, const Path& path)
    : delay_(path.delay),
      loss_(path.loss),
      random_(path.seed),
      client_side_(open_socket()),
      server_side_(open_socket()) {
  const sockaddr_in server = loopback(server_port);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  if (::connect(server_side_.value(), as_sockaddr(server), sizeof server) != 0 ||
      ::getsockname(client_side_.value(), reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(own.sin_port);
  thread_ = std::thread([this] { run(); });
}

UdpProxy::~UdpProxy() {
  is_over_ = true;
  thread_.join();
}

void UdpProxy::run() {
  while (!is_over_) {
    std::array<pollfd, 2> sockets{pollfd{client_side_.value(), POLLIN, 0},
                                  pollfd{server_side_.value(), POLLIN, 0}};
    ::poll(sockets.data(), sockets.size(), wait_ms());
    receive(client_side_.value(), up_, &client_);
    receive(server_side_.value(), down_, nullptr);
    forward(up_, server_side_.value(), nullptr);
    forward(down_, client_side_.value(), &client_);
  }
}

// Polls every millisecond while datagrams wait, so a delay is at most a millisecond too long.
int UdpProxy::wait_ms() const {
  constexpr int kIdleMs = 20;  // bounds the wait of the destructor
  return up_.waiting.empty() && down_.waiting.empty() ? kIdleMs : 1;
}

void UdpProxy::receive(int from, Direction& direction, sockaddr_in* sender) {
  std::array<char, 65'536> buffer;
  socklen_t size = sizeof *sender;
  for (;;) {
    const ssize_t length =
        ::recvfrom(from, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(sender),
                   sender != nullptr ? &size : nullptr);
    if (length < 0) {
      return;
    }
    const auto bytes = static_cast<std::uint64_t>(length);
    ++direction.counts.received;
    direction.counts.received_bytes += bytes;
    if (std::bernoulli_distribution(loss_)(random_)) {
      ++direction.counts.dropped;
      direction.counts.dropped_bytes += bytes;
    } else {
      direction.waiting.push_back({Clock::now() + delay_, {buffer.data(), buffer.data() + length}});
    }
  }
}

void UdpProxy::forward(Direction& direction, int to, const sockaddr_in* receiver) {
  while (!direction.waiting.empty() && direction.waiting.front().due <= Clock::now()) {
    const Waiting& next = direction.waiting.front();
    ::sendto(to, next.bytes.data(), next.bytes.size(), 0, reinterpret_cast<const sockaddr*>(receiver),
             receiver != nullptr ? sizeof *receiver : 0);
    direction.waiting.pop_front();
  }
}

}  // namespace knul::test
