#include "udp/udp_socket.hpp"

#include <linux/filter.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "stats/worker_counters.hpp"
#include "udp/socket_error.hpp"

namespace knul::udp {
namespace {

bool is_wildcard(const base::SocketAddress& address) {
  return std::ranges::all_of(address.ip_bytes(), [](std::uint8_t byte) { return byte == 0; });
}

base::Error refused(int fd, std::string_view what) {
  return {base::ErrorKind::kInvalidArgument,
          "listen_fd is " + std::to_string(fd) + ", " + std::string(what) + ", expected a bound UDP socket"};
}

}  // namespace

UdpSocket::UdpSocket(posix::FileDescriptor fd, base::LogSink& log, SocketCalls& calls)
    : fd_(std::move(fd)), log_(&log), calls_(&calls), shared_(std::make_unique<SharedState>()) {}

base::Result<UdpSocket> UdpSocket::open(const SocketOptions& options, base::LogSink& log,
                                        SocketCalls& calls) {
  posix::FileDescriptor fd(calls.open(options.address.family()));
  if (!fd.is_open()) {
    return socket_error(errno, "open a socket for", options.address);
  }
  UdpSocket socket(std::move(fd), log, calls);
  if (base::Status configured = socket.configure(options); !configured) {
    return std::move(configured).error();
  }
  if (base::Status bound = socket.bind_to(options.address); !bound) {
    return std::move(bound).error();
  }
  return socket;
}

base::Status UdpSocket::configure(const SocketOptions& options) {
  const bool is_v6 = options.address.is_v6();
  const int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  bool is_set = true;
  if (is_v6 && options.sharing != PortSharing::kAdopted) {  // the kernel refuses it for a bound socket
    is_set = is_set && set_flag(IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  if (options.sharing == PortSharing::kReuseportMember) {
    is_set = is_set && set_flag(SOL_SOCKET, SO_REUSEPORT, 1);
  }
  is_set = is_set && set_flag(level, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
  // RFC 9000 §14: datagrams are never fragmented. PROBE also ignores the kernel's path MTU, which forged ICMP
  // packets could lower.
  is_set = is_set && (is_v6 ? set_flag(level, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)
                            : set_flag(level, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE));
  if (!is_set) {
    return socket_error(errno, "configure a socket for", options.address);
  }
  // The other options are optional; without ECN marks, for example, connections do not use ECN.
  (void)set_flag(level, is_v6 ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
  (void)set_flag(SOL_SOCKET, SO_RXQ_OVFL, 1);
  gro_ = options.use_gro && set_flag(SOL_UDP, UDP_GRO, 1);
  // 0 is the default segment size. A kernel without the option refuses it. Linux ≥ 4.18.
  shared_->gso.store(options.use_gso && set_flag(SOL_UDP, UDP_SEGMENT, 0), std::memory_order_relaxed);
  send_buffer_ = request_buffer({SO_SNDBUF, SO_SNDBUFFORCE, "wmem_max"}, options.send_buffer_bytes);
  receive_buffer_ = request_buffer({SO_RCVBUF, SO_RCVBUFFORCE, "rmem_max"}, options.receive_buffer_bytes);
  return {};
}

bool UdpSocket::set_flag(int level, int name, int value) {
  return calls_->set_option(fd(), level, name, &value, sizeof(value)) == 0;
}

// With privilege, the forced option exceeds net.core.*mem_max.
BufferSize UdpSocket::request_buffer(const BufferNames& names, std::size_t bytes) {
  if (bytes > 0) {
    const int value = static_cast<int>(std::min<std::size_t>(bytes, 1 << 30));
    if (!set_flag(SOL_SOCKET, names.forced_option, value)) {
      (void)set_flag(SOL_SOCKET, names.option, value);
    }
  }
  int doubled = 0;
  socklen_t length = sizeof(doubled);
  (void)calls_->get_option(fd(), SOL_SOCKET, names.option, &doubled, &length);
  return {bytes, static_cast<std::size_t>(doubled) / 2, calls_->core_limit(names.limit)};
}

base::Status UdpSocket::bind_to(const base::SocketAddress& address) {
  if (calls_->bind(fd(), address) != 0) {
    return socket_error(errno, "bind", address);
  }
  return note_address("read back", address);
}

base::Status UdpSocket::note_address(std::string_view action, const base::SocketAddress& wanted) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (calls_->local_address(fd(), &storage, &length) != 0) {
    return socket_error(errno, action, wanted);
  }
  local_address_ = base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), length);
  is_wildcard_ = is_wildcard(local_address_);
  return {};
}

base::Result<UdpSocket> UdpSocket::adopt(int given, const SocketOptions& options, base::LogSink& log,
                                         SocketCalls& calls) {
  auto socket = duplicate(given, log, calls);
  if (!socket) {
    return socket;
  }
  SocketOptions adopted = options;
  adopted.address = socket->local_address();
  adopted.sharing = PortSharing::kAdopted;
  if (calls.set_nonblocking(socket->fd()) != 0) {
    return socket_error(errno, "configure a socket for", adopted.address);
  }
  if (base::Status configured = socket->configure(adopted); !configured) {
    return std::move(configured).error();
  }
  return socket;
}

base::Result<AdoptableSocket> UdpSocket::check_adoptable(int fd, SocketCalls& calls) {
  base::NullLogSink log;
  auto socket = duplicate(fd, log, calls);
  if (!socket) {
    return std::move(socket).error();
  }
  return AdoptableSocket{.address = socket->local_address(), .has_reuseport = socket->has_reuseport()};
}

// Does not change the socket.
base::Result<UdpSocket> UdpSocket::duplicate(int given, base::LogSink& log, SocketCalls& calls) {
  posix::FileDescriptor fd(calls.duplicate(given));
  if (!fd.is_open()) {
    return errno == EBADF ? refused(given, "not an open descriptor")
                          : socket_error(errno, "duplicate the socket of", {});
  }
  UdpSocket socket(std::move(fd), log, calls);
  if (base::Status checked = socket.check_adopted(given); !checked) {
    return std::move(checked).error();
  }
  return socket;
}

base::Status UdpSocket::check_adopted(int given) {
  const std::optional<int> type = int_option(SOL_SOCKET, SO_TYPE);
  if (!type) {
    return refused(given, "not a socket");
  }
  const std::optional<int> family = int_option(SOL_SOCKET, SO_DOMAIN);
  const bool is_ip = family == AF_INET || family == AF_INET6;
  if (type != SOCK_DGRAM || !is_ip || int_option(SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP) {
    return refused(given, "not a UDP socket for IPv4 or IPv6");
  }
  if (base::Status noted = note_address("read back", {}); !noted) {
    return noted;
  }
  if (local_address_.port() == 0) {
    return refused(given, "a socket that is not bound");
  }
  if (calls_->is_connected(fd())) {
    return refused(given, "a connected socket");
  }
  // The per-address limits would treat all IPv4 peers as one IPv6 network.
  if (family == AF_INET6 && is_wildcard_ && int_option(IPPROTO_IPV6, IPV6_V6ONLY) != 1) {
    return refused(given, "a socket for both IPv4 and IPv6, set IPV6_V6ONLY (BindIPv6Only=ipv6-only)");
  }
  return {};
}

std::optional<int> UdpSocket::int_option(int level, int name) {
  int value = 0;
  socklen_t length = sizeof(value);
  return calls_->get_option(fd(), level, name, &value, &length) == 0 ? std::optional(value) : std::nullopt;
}

bool UdpSocket::has_reuseport() { return int_option(SOL_SOCKET, SO_REUSEPORT).value_or(0) != 0; }

SocketFeatures UdpSocket::features() const {
  return {shared_->gso.load(std::memory_order_relaxed), gro_, shared_->ecn.load(std::memory_order_relaxed)};
}

base::Status UdpSocket::set_reuseport(bool is_on) {
  if (!set_flag(SOL_SOCKET, SO_REUSEPORT, is_on ? 1 : 0)) {
    return socket_error(errno, "share", local_address_);
  }
  return {};
}

base::Status UdpSocket::attach_steering(std::span<const sock_filter> program) {
  const sock_fprog description{static_cast<unsigned short>(program.size()),
                               const_cast<sock_filter*>(program.data())};
  if (calls_->set_option(fd(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &description, sizeof(description)) !=
      0) {
    base::Error error = socket_error(errno, "attach a steering program to", local_address_);
    error.kind = base::ErrorKind::kUnsupported;
    return error;
  }
  return {};
}

ReceiveOutcome UdpSocket::receive(ReceiveBatch& batch, stats::WorkerCounters& counters) {
  // An error of an earlier packet (ICMP) fails one call, so the next call may succeed.
  constexpr int kAttempts = 4;
  const std::span<mmsghdr> headers = batch.prepare();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int received = calls_->receive(fd(), headers.data(), static_cast<unsigned>(headers.size()));
    counters.udp_receive_calls.add();
    if (received >= 0) {
      const auto messages = static_cast<std::size_t>(received);
      const ReceiveBatch::Tally tally = batch.accept(messages, local_address_);
      counters.udp_datagrams_received.add(tally.datagrams);
      counters.udp_bytes_received.add(tally.bytes);
      counters.udp_gro_trains_received.add(tally.trains);
      counters.udp_receive_truncated.add(tally.truncated);
      if (tally.kernel_drops.has_value()) {
        counters.udp_receive_dropped.add(*tally.kernel_drops -
                                         std::exchange(kernel_drops_, *tally.kernel_drops));
      }
      return {messages, messages < headers.size()};
    }
    if (errno == EAGAIN) {
      return {0, true};
    }
    if (errno != EINTR && errno != ECONNREFUSED) {
      counters.udp_receive_errors.add();
      counters.errors.add();
    }
  }
  return {0, true};
}

}  // namespace knul::udp
