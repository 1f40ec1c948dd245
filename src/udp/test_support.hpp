// Support for the tests of this folder: sockets on loopback, injected errors, received datagrams.
#pragma once

#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/datagram.hpp"
#include "base/log.hpp"
#include "stats/worker_counters.hpp"
#include "udp/udp_socket.hpp"

namespace knul::udp::test_support {

inline base::SocketAddress address(const char* ip, std::uint16_t port = 0) {
  return base::SocketAddress::parse(ip, port).value();
}

// False in containers without IPv6.
inline bool has_ipv6() {
  base::NullLogSink log;
  return UdpSocket::open({.address = address("::1")}, log).has_value();
}

class RecordingLog final : public base::LogSink {
 public:
  std::vector<std::string> lines;

 protected:
  bool admit(base::LogLevel, base::LogKind) noexcept override { return true; }
  void put(base::LogLevel, base::LogKind, std::string_view text) override { lines.emplace_back(text); }
};

// The system calls, with the errors that a test injects.
class FaultyCalls final : public SocketCalls {
 public:
  // The errors of the next calls of send; 0: the call succeeds.
  std::deque<int> send_errors;
  // The error of calls whose first message has a segment size. As in the kernel, a later such message ends
  // the call without an error.
  int gso_error = 0;
  // The same with an ECN mark.
  int ecn_error = 0;
  // The most messages that one call sends.
  unsigned send_limit = 1024;
  std::deque<int> receive_errors;
  std::deque<int> wait_errors;
  bool truncates = false;
  std::map<int, int> option_errors;  // by option name
  int bind_error = 0;
  std::deque<int> open_errors;

  int open(int family) override {
    const int error = take(open_errors);
    return error != 0 ? fail(error) : SocketCalls::open(family);
  }
  int bind(int fd, const base::SocketAddress& to) override {
    return bind_error != 0 ? fail(bind_error) : SocketCalls::bind(fd, to);
  }
  int set_option(int fd, int level, int name, const void* value, socklen_t length) override {
    if (const auto error = option_errors.find(name); error != option_errors.end()) {
      return fail(error->second);
    }
    return SocketCalls::set_option(fd, level, name, value, length);
  }
  int send(int fd, mmsghdr* messages, unsigned count) override {
    if (const int error = take(send_errors); error != 0) {
      return fail(error);
    }
    count = std::min(count, send_limit);
    for (const auto& [error, is_refused] :
         {std::pair(gso_error, &has_segment_size), {ecn_error, &has_mark}}) {
      if (error == 0) {
        continue;
      }
      count = count_plain(messages, count, is_refused);
      if (count == 0) {
        return fail(error);
      }
    }
    return SocketCalls::send(fd, messages, count);
  }
  int receive(int fd, mmsghdr* messages, unsigned count) override {
    if (const int error = take(receive_errors); error != 0) {
      return fail(error);
    }
    const int received = SocketCalls::receive(fd, messages, count);
    for (int i = 0; truncates && i < received; ++i) {
      messages[i].msg_hdr.msg_flags |= MSG_TRUNC;
    }
    return received;
  }
  int wait_readable(int fd, int timeout_ms) override {
    const int error = take(wait_errors);
    return error != 0 ? fail(error) : SocketCalls::wait_readable(fd, timeout_ms);
  }

 private:
  static int fail(int error) {
    errno = error;
    return -1;
  }
  static int take(std::deque<int>& errors) {
    if (errors.empty()) {
      return 0;
    }
    const int error = errors.front();
    errors.pop_front();
    return error;
  }
  static bool has_segment_size(const cmsghdr& control) {
    return control.cmsg_level == IPPROTO_UDP && control.cmsg_type == 103;  // UDP_SEGMENT
  }
  static bool has_mark(const cmsghdr& control) {
    return (control.cmsg_level == IPPROTO_IP && control.cmsg_type == IP_TOS) ||
           (control.cmsg_level == IPPROTO_IPV6 && control.cmsg_type == IPV6_TCLASS);
  }
  static unsigned count_plain(mmsghdr* messages, unsigned count, bool (*is_refused)(const cmsghdr&)) {
    for (unsigned i = 0; i < count; ++i) {
      msghdr& header = messages[i].msg_hdr;
      for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (is_refused(*c)) {
          return i;
        }
      }
    }
    return count;
  }
};

// A copy of a received datagram.
struct Datagram {
  base::Path path;
  base::Ecn ecn;
  std::vector<std::uint8_t> payload;
};

inline bool wait_readable(const UdpSocket& socket, int timeout_ms = 5'000) {
  pollfd entry{socket.fd(), POLLIN, 0};
  return poll(&entry, 1, timeout_ms) == 1;
}

// Receives until it has `count` datagrams, or none has arrived for five seconds.
inline std::vector<Datagram> receive(UdpSocket& socket, std::size_t count, stats::WorkerCounters& counters) {
  std::vector<Datagram> result;
  ReceiveBatch batch;
  while (result.size() < count && wait_readable(socket)) {
    (void)socket.receive(batch, counters);
    while (const base::ReceivedDatagram* datagram = batch.next()) {
      result.push_back({datagram->path, datagram->ecn, {datagram->payload.begin(), datagram->payload.end()}});
    }
  }
  return result;
}

// A packet whose bytes depend on its number.
inline std::vector<std::uint8_t> packet(std::size_t number, std::size_t bytes) {
  std::vector<std::uint8_t> result(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    result[i] = static_cast<std::uint8_t>(number * 31 + i);
  }
  return result;
}

inline void append(base::SendBatch& batch, const base::Path& path, const std::vector<std::uint8_t>& bytes,
                   base::Ecn ecn = base::Ecn::kNotEct) {
  std::ranges::copy(bytes, batch.room().begin());
  batch.commit(path, ecn, bytes.size());
}

// A steering program: byte 0 of the payload modulo `workers`.
inline std::vector<sock_filter> by_first_byte(std::size_t workers) {
  return {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0},
          {BPF_ALU | BPF_MOD | BPF_K, 0, 0, static_cast<std::uint32_t>(workers)},
          {BPF_RET | BPF_A, 0, 0, 0}};
}

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

}  // namespace knul::udp::test_support
