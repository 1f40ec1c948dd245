// The system calls that udp makes, as a seam: tests override one to inject an errno. A virtual call per
// batch of packets is not measurable beside the system call behind it.
#pragma once

#include <sys/socket.h>

#include "base/socket_address.hpp"

namespace knul::udp {

// Every function returns what the system call returns and leaves its errno.
// Thread: any; the class has no state.
class SocketCalls {
 public:
  virtual ~SocketCalls() = default;

  // A non-blocking, close-on-exec UDP socket.
  virtual int open(int family);
  virtual int bind(int fd, const base::SocketAddress& address);
  virtual int set_option(int fd, int level, int name, const void* value, socklen_t length);
  virtual int get_option(int fd, int level, int name, void* value, socklen_t* length);
  virtual int local_address(int fd, sockaddr_storage* address, socklen_t* length);
  virtual int send(int fd, mmsghdr* messages, unsigned count);
  virtual int receive(int fd, mmsghdr* messages, unsigned count);
  // Bytes of net.core.<name>, 0 when the kernel does not show it (in some network namespaces).
  virtual std::size_t core_limit(const char* name);

  // The one that calls the kernel. Lifetime: the process.
  static SocketCalls& system();
};

}  // namespace knul::udp
