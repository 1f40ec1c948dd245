// The owner of every descriptor that the library opens.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace knul::posix {

// A program may run with its standard input, output or error closed. Then the kernel gives the numbers 0, 1
// and 2 to what is opened next, and whatever the program prints would go into one of our sockets. Gives a
// duplicate above them for such a number and closes the original; gives any other number back. -1 with errno
// when there is no descriptor to have.
[[nodiscard]] inline int above_standard_descriptors(int fd) noexcept {
  if (fd < 0 || fd > STDERR_FILENO) {
    return fd;
  }
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  ::close(fd);
  errno = error;
  return moved;
}

// Owns a descriptor, which is above 2.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  // `fd` is what a system call gave: a descriptor that nobody else knows yet, or negative with errno.
  explicit FileDescriptor(int fd) noexcept : fd_(above_standard_descriptors(fd)) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int value() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // Gives the descriptor to the caller.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_ = -1;
};

}  // namespace knul::posix
