// The sockets of one listening address: one per worker if the kernel steers packets; otherwise a single
// socket that all workers send on.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "udp/udp_socket.hpp"

namespace knul::udp {

struct GroupOptions {
  SocketOptions socket;  // its `sharing` is ignored
  // A bound socket of the caller (UdpSocket::adopt) in place of one for socket.address. Without SO_REUSEPORT
  // all workers share it, without a warning. With that option its group must have no other sockets, because
  // the program names the sockets of the group by their order.
  std::optional<int> adopted_fd = {};
  std::size_t workers = 1;
  // Classic BPF: reads the payload of a datagram and returns the worker whose socket gets it. For any other
  // result, the kernel's hash of the addresses decides. If the kernel refuses the program, the log gets a
  // warning, and all workers share one socket. Empty: they share one socket without a warning.
  std::vector<sock_filter> steering_program = {};
};

// Invariant: the sockets of a group never change. When a socket of a reuseport group is closed, the kernel
// moves the last socket into its place, and would steer packets of other connections to the wrong worker.
// Lifetime: outlives the workers that use its sockets.
class SocketGroup {
 public:
  // Binds the first socket without SO_REUSEPORT, so that an address in use, also by another group, is an
  // error and is not shared by accident. Errors: as UdpSocket::open. After an error no socket stays open.
  static base::Result<SocketGroup> open(const GroupOptions& options, base::LogSink& log,
                                        SocketCalls& calls = SocketCalls::system());

  // The socket that `worker` reads. Null: the workers share one socket, which worker 0 reads.
  [[nodiscard]] UdpSocket* receive_socket(std::size_t worker);
  // The socket that `worker` sends on. Workers may share it, because UdpSocket::send is thread-safe.
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
