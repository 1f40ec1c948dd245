// The sockets of one listening address: one per worker, steered by the kernel, or a single one that all
// workers send on where steering is refused.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "udp/udp_socket.hpp"

namespace knul::udp {

struct GroupOptions {
  SocketOptions socket;  // its `sharing` is not looked at
  std::size_t workers = 1;
  // Classic BPF: sees the payload of a datagram and returns the worker whose socket gets it; any other number
  // leaves it to the kernel's hash of the addresses. A kernel that refuses the program costs a warning in the
  // log, and all workers share a single socket. Empty: they share one without a warning.
  std::vector<sock_filter> steering_program = {};
};

// Invariant: the group never changes while it lives. Closing one socket of a reuseport group would move
// the last one into its place, and with that other connections' packets to the wrong worker.
// Lifetime: outlives the workers that use its sockets.
class SocketGroup {
 public:
  // The first socket is bound without SO_REUSEPORT, so that an address in use (by another group, too) is
  // an error and never a silent share. Errors: as UdpSocket::open. Nothing is left open on failure.
  static base::Result<SocketGroup> open(const GroupOptions& options, base::LogSink& log,
                                        SocketCalls& calls = SocketCalls::system());

  // The socket that this worker reads, or nullptr: in single-socket mode only worker 0 reads.
  [[nodiscard]] UdpSocket* receive_socket(std::size_t worker);
  // In single-socket mode the same for all workers; sending is thread safe.
  [[nodiscard]] UdpSocket& send_socket(std::size_t worker);

  [[nodiscard]] bool is_steered() const { return is_steered_; }
  [[nodiscard]] bool is_single_socket() const { return sockets_.size() == 1; }
  [[nodiscard]] std::size_t workers() const { return workers_; }
  [[nodiscard]] const base::SocketAddress& local_address() const { return sockets_.front().local_address(); }

 private:
  SocketGroup(UdpSocket first, std::size_t workers);

  base::Status grow(const GroupOptions& options, base::LogSink& log, SocketCalls& calls);
  base::Status shrink_to_one();

  std::vector<UdpSocket> sockets_;
  std::size_t workers_;
  bool is_steered_ = false;
};

}  // namespace knul::udp
