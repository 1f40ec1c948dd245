// An eventfd, by which one thread wakes another one that waits for descriptors.
#pragma once

#include <utility>

#include "posix/file_descriptor.hpp"

namespace knul::posix {

// Thread: signal and acknowledge from any thread.
class EventDescriptor {
 public:
  EventDescriptor() = default;
  // Not open where the system refuses a descriptor; errno says why.
  [[nodiscard]] static EventDescriptor create() noexcept;

  [[nodiscard]] int value() const { return fd_.value(); }
  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  // Readable until it is acknowledged.
  void signal() const noexcept;
  void acknowledge() const noexcept;

 private:
  explicit EventDescriptor(FileDescriptor fd) noexcept : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace knul::posix
