// An epoll instance: level-triggered readiness of descriptors, and a wait with a deadline.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/result.hpp"
#include "base/time.hpp"
#include "posix/file_descriptor.hpp"

namespace knul::runtime {

struct Interest {
  bool read = false;
  bool write = false;
};

struct ReadyEvent {
  std::uint64_t token = 0;
  // Both are true after an error or a hang-up; the next call on the descriptor returns it.
  bool is_readable = false;
  bool is_writable = false;
};

enum class WaitPrecision : std::uint8_t {
  kNanoseconds,   // epoll_pwait2, Linux ≥ 5.11; milliseconds where it is missing
  kMilliseconds,  // rounded up
};

// Thread: one.
class Poller {
 public:
  // Errors: kQuota (descriptors), kInternal.
  static base::Result<Poller> create(WaitPrecision precision = WaitPrecision::kNanoseconds);

  // The events of `fd` carry `token`. Errors: kInternal, kQuota (fs.epoll.max_user_watches).
  base::Status add(int fd, std::uint64_t token, Interest interest);
  base::Status modify(int fd, std::uint64_t token, Interest interest);

  // Blocks until a descriptor is ready or the deadline has passed. kNever: no deadline. A deadline in the
  // past: does not block. A signal does not end the wait. Empty: the deadline has passed.
  // Lifetime: the events until the next wait.
  std::span<const ReadyEvent> wait(base::Instant deadline);

 private:
  static constexpr std::size_t kMaxEvents = 64;

  Poller(posix::FileDescriptor fd, WaitPrecision precision) : fd_(std::move(fd)), precision_(precision) {}
  base::Status control(int operation, int fd, std::uint64_t token, Interest interest);
  int wait_once(base::Instant deadline);

  posix::FileDescriptor fd_;
  WaitPrecision precision_;
  std::array<epoll_event, kMaxEvents> raw_{};
  std::array<ReadyEvent, kMaxEvents> events_{};
};

}  // namespace knul::runtime
