// The owner of every descriptor that the library opens.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace knul::posix {

// Returns `fd` if it is above 2. Otherwise closes it and returns a duplicate above 2, or -1 with errno if the
// system refuses a descriptor. A program may run with its standard input, output or error closed. Then the
// kernel assigns 0, 1 and 2 to the next descriptors, and the program would print into one of our sockets.
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

// Owns a descriptor above 2.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  // `fd` is the result of a system call: a descriptor without another owner, or negative with errno.
  explicit FileDescriptor(int fd) noexcept : fd_(above_standard_descriptors(fd)) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int value() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // Transfers the descriptor to the caller.
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
