// Distinguishes a process that used the library from its forked copies. A copy has the memory but no threads,
// so it must not use, wait for, join or free anything of the library.
#pragma once

#include "base/result.hpp"

namespace knul::server {

// From then on a fork makes an inert copy. A process forked earlier is a new one and may use the library.
// Called before the first thread starts. Thread: any. Error: kOutOfMemory.
base::Status arm_fork_guard();

// Thread: any. Costs one load.
[[nodiscard]] bool is_forked_child() noexcept;

// While this object lives, a fork closes its copy of the descriptor at once. Otherwise a child that lives on
// would keep the port of a server that the parent has stopped. Thread: any may create and destroy it.
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
