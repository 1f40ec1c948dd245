// An eventfd, with which a thread wakes another thread that waits for descriptors.
#pragma once

#include <utility>

#include "posix/file_descriptor.hpp"

namespace knul::posix {

// Thread: signal and acknowledge from any thread.
class EventDescriptor {
 public:
  EventDescriptor() = default;
  // The result is not open if the system refuses a descriptor; errno has the reason.
  [[nodiscard]] static EventDescriptor create() noexcept;

  [[nodiscard]] int value() const { return fd_.value(); }
  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  // Makes the descriptor readable until acknowledge().
  void signal() const noexcept;
  void acknowledge() const noexcept;

 private:
  explicit EventDescriptor(FileDescriptor fd) noexcept : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace knul::posix
