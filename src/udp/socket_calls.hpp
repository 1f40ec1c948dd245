// The system calls of udp. They are virtual, so that tests can inject errors; beside a system call for a
// batch of packets, the cost of a virtual call is not measurable.
#pragma once

#include <sys/socket.h>

#include "base/socket_address.hpp"

namespace knul::udp {

// Each function returns the result of its system call and leaves errno.
// Thread: any; the class has no state.
class SocketCalls {
 public:
  virtual ~SocketCalls() = default;

  // A non-blocking, close-on-exec UDP socket.
  virtual int open(int family);
  // A close-on-exec duplicate of a descriptor.
  virtual int duplicate(int fd);
  // A descriptor and its duplicates become non-blocking together.
  virtual int set_nonblocking(int fd);
  virtual bool is_connected(int fd);
  virtual int bind(int fd, const base::SocketAddress& address);
  virtual int set_option(int fd, int level, int name, const void* value, socklen_t length);
  virtual int get_option(int fd, int level, int name, void* value, socklen_t* length);
  virtual int local_address(int fd, sockaddr_storage* address, socklen_t* length);
  virtual int send(int fd, mmsghdr* messages, unsigned count);
  virtual int receive(int fd, mmsghdr* messages, unsigned count);
  // Waits until the socket is readable or has an error.
  virtual int wait_readable(int fd, int timeout_ms);
  // The value of net.core.<name> in bytes; 0 where the kernel does not show it (some network namespaces).
  virtual std::size_t core_limit(const char* name);

  // Calls the kernel. Lifetime: the process.
  static SocketCalls& system();
};

}  // namespace knul::udp
