// Tells a process that used the library from its copies made by fork: those have the memory, but none of the
// threads, so nothing in them may be used, waited for, joined or freed.
#pragma once

#include "base/result.hpp"

namespace knul::server {

// From now on a fork makes an inert copy; a process forked before is a new one and may use the library.
// Called before the first thread is started. Thread: any. Error: kOutOfMemory.
base::Status arm_fork_guard();

// Thread: any. Costs one load.
[[nodiscard]] bool is_forked_child() noexcept;

// While this object lives, a fork's copy of the descriptor is closed at once. Without it a child that lives
// on would keep the port of a server that the parent has stopped. Thread: made and destroyed by any.
// Lifetime: ends before the descriptor is closed.
class ClosedInForks {
 public:
  explicit ClosedInForks(int fd) noexcept;
  ~ClosedInForks();
  ClosedInForks(const ClosedInForks&) = delete;
  ClosedInForks& operator=(const ClosedInForks&) = delete;

 private:
  friend struct ForkList;

  int fd_;
  ClosedInForks* next_ = nullptr;
  ClosedInForks* previous_ = nullptr;
};

}  // namespace knul::server
