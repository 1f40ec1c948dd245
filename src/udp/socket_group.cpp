#include "udp/socket_group.hpp"

#include <cassert>
#include <string>
#include <utility>

namespace knul::udp {

base::Result<SocketGroup> SocketGroup::open(const GroupOptions& options, base::LogSink& log,
                                            SocketCalls& calls) {
  SocketOptions first_options = options.socket;
  first_options.sharing = PortSharing::kExclusive;
  auto first = UdpSocket::open(first_options, log, calls);
  if (!first) {
    return std::move(first).error();
  }
  SocketGroup group(std::move(first).value(), options.layout.workers);
  if (options.layout.workers == 1 || options.steering == Steering::kOff) {
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
  log.write(
      base::LogLevel::kWarning,
      "steering by connection ID is not available, all workers share one socket: " + grown.error().message);
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

// The kernel makes the reuseport group when the second socket joins, so the program can be attached from
// then on; it is attached before the third joins, so that a refusal closes one socket only.
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
      if (base::Status attached = sockets_.front().attach_steering(steering_program(options.layout));
          !attached) {
        return attached;
      }
    }
  }
  is_steered_ = true;
  return {};
}

// Before the group is handed out, so nothing is lost that the peer does not send again.
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
