#include "udp/socket_group.hpp"

#include <cassert>
#include <string>
#include <utility>

namespace knul::udp {
namespace {

// Writes one message for all sockets, because their buffers are equal.
void advise_on_buffers(const UdpSocket& socket, base::LogSink& log) {
  std::string text;
  std::string advice;
  const auto look_at = [&](const BufferSize& size, const char* what, const char* limit) {
    if (size.got_bytes < size.asked_bytes) {
      text += (text.empty() ? "" : " and ") + std::string(what) + " buffer " +
              std::to_string(size.got_bytes) + " of " + std::to_string(size.asked_bytes) + " bytes";
      advice += std::string(" net.core.") + limit + "=" + std::to_string(size.asked_bytes);
    }
  };
  look_at(socket.receive_buffer(), "receive", "rmem_max");
  look_at(socket.send_buffer(), "send", "wmem_max");
  if (!text.empty()) {
    log.write(base::LogLevel::kWarning, base::LogKind::kSocketBuffers, [&] {
      return "the kernel gave each socket smaller buffers than requested: " + text +
             "; fast transfers may lose packets. As root: sysctl -w" + advice;
    });
  }
}

}  // namespace

base::Result<SocketGroup> SocketGroup::open(const GroupOptions& options, base::LogSink& log,
                                            SocketCalls& calls) {
  SocketOptions first_options = options.socket;
  first_options.sharing = PortSharing::kExclusive;
  auto first = options.adopted_fd ? UdpSocket::adopt(*options.adopted_fd, first_options, log, calls)
                                  : UdpSocket::open(first_options, log, calls);
  if (!first) {
    return std::move(first).error();
  }
  SocketGroup group(std::move(first).value(), options.workers);
  advise_on_buffers(group.sockets_.front(), log);
  const bool can_grow = !options.adopted_fd || group.sockets_.front().has_reuseport();
  if (options.workers == 1 || options.steering_program.empty() || !can_grow) {
    return group;
  }
  base::Status grown = group.grow(options, log, calls);
  if (grown) {
    return group;
  }
  const base::ErrorKind kind = grown.error().kind;
  if (kind == base::ErrorKind::kQuota || kind == base::ErrorKind::kOutOfMemory) {
    return std::move(grown).error();
  }
  log.write(base::LogLevel::kWarning, base::LogKind::kSteering, [&] {
    return "steering by connection ID is not available; all workers share one socket: " +
           grown.error().message;
  });
  if (base::Status shrunk = group.shrink_to_one(); !shrunk) {
    return std::move(shrunk).error();
  }
  return group;
}

SocketGroup::SocketGroup(UdpSocket first, std::size_t workers) : workers_(workers) {
  assert(workers >= 1);
  sockets_.reserve(workers);
  sockets_.push_back(std::move(first));
}

// The kernel creates the reuseport group when the second socket joins, so the program can be attached only
// then. It is attached before the third socket joins, so that a refusal closes only one socket.
base::Status SocketGroup::grow(const GroupOptions& options, base::LogSink& log, SocketCalls& calls) {
  if (base::Status allowed = sockets_.front().set_reuseport(true); !allowed) {
    return allowed;
  }
  SocketOptions member_options = options.socket;
  member_options.sharing = PortSharing::kReuseportMember;
  member_options.address = local_address();  // with the port that the kernel chose
  while (sockets_.size() < workers_) {
    auto member = UdpSocket::open(member_options, log, calls);
    if (!member) {
      return std::move(member).error();
    }
    sockets_.push_back(std::move(member).value());
    if (sockets_.size() == 2) {
      if (base::Status attached = sockets_.front().attach_steering(options.steering_program); !attached) {
        return attached;
      }
    }
  }
  is_steered_ = true;
  return {};
}

// Runs before a worker reads. Peers send packets again that a closed socket had received.
base::Status SocketGroup::shrink_to_one() {
  while (sockets_.size() > 1) {
    sockets_.pop_back();
  }
  return sockets_.front().set_reuseport(false);
}

UdpSocket* SocketGroup::receive_socket(std::size_t worker) {
  assert(worker < workers_);
  if (is_single_socket()) {
    return worker == 0 ? &sockets_.front() : nullptr;
  }
  return &sockets_[worker];
}

UdpSocket& SocketGroup::send_socket(std::size_t worker) {
  assert(worker < workers_);
  return is_single_socket() ? sockets_.front() : sockets_[worker];
}

}  // namespace knul::udp
