#include "runtime/poller.hpp"

#include <linux/time_types.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <system_error>

#include "posix/clock.hpp"

namespace knul::runtime {
namespace {

base::Error poller_error(const char* action, int error) {
  const bool is_quota = error == EMFILE || error == ENFILE || error == ENOSPC;
  return {is_quota ? base::ErrorKind::kQuota : base::ErrorKind::kInternal,
          std::string("cannot ") + action + ": " + std::generic_category().message(error)};
}

// By system call number, because glibc has a wrapper only since 2.35.
int wait_precisely(int fd, std::span<epoll_event> events, const base::Duration* timeout) {
#ifdef SYS_epoll_pwait2
  __kernel_timespec limit{};
  if (timeout != nullptr) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (*timeout - seconds).count();
  }
  return static_cast<int>(syscall(SYS_epoll_pwait2, fd, events.data(), static_cast<int>(events.size()),
                                  timeout != nullptr ? &limit : nullptr, nullptr, _NSIG / 8));
#else
  (void)fd, (void)events, (void)timeout;
  errno = ENOSYS;
  return -1;
#endif
}

int wait_by_milliseconds(int fd, std::span<epoll_event> events, const base::Duration* timeout) {
  int limit_ms = -1;
  if (timeout != nullptr) {
    const auto rounded_up = std::chrono::ceil<std::chrono::milliseconds>(*timeout).count();
    limit_ms = static_cast<int>(std::min<std::int64_t>(rounded_up, INT_MAX));
  }
  return epoll_wait(fd, events.data(), static_cast<int>(events.size()), limit_ms);
}

}  // namespace

base::Result<Poller> Poller::create(WaitPrecision precision) {
  posix::FileDescriptor fd(epoll_create1(EPOLL_CLOEXEC));
  if (!fd.is_open()) {
    return poller_error("create an epoll instance", errno);
  }
  return Poller(std::move(fd), precision);
}

base::Status Poller::add(int fd, std::uint64_t token, Interest interest) {
  return control(EPOLL_CTL_ADD, fd, token, interest);
}

base::Status Poller::modify(int fd, std::uint64_t token, Interest interest) {
  return control(EPOLL_CTL_MOD, fd, token, interest);
}

base::Status Poller::control(int operation, int fd, std::uint64_t token, Interest interest) {
  epoll_event event{};
  event.events = (interest.read ? EPOLLIN : 0U) | (interest.write ? EPOLLOUT : 0U);
  event.data.u64 = token;
  if (epoll_ctl(fd_.value(), operation, fd, &event) != 0) {
    return poller_error("watch a descriptor", errno);
  }
  return {};
}

std::span<const ReadyEvent> Poller::wait(base::Instant deadline) {
  int count = 0;
  do {
    count = wait_once(deadline);
    // A signal interrupted the wait, or the wait was longer than a number of milliseconds can express.
  } while (count <= 0 && posix::monotonic_now() < deadline);
  const auto ready = static_cast<std::size_t>(std::max(count, 0));
  for (std::size_t i = 0; i < ready; ++i) {
    const std::uint32_t bits = raw_[i].events;
    const bool has_failed = (bits & (EPOLLERR | EPOLLHUP)) != 0;
    events_[i] = {raw_[i].data.u64, has_failed || (bits & EPOLLIN) != 0,
                  has_failed || (bits & EPOLLOUT) != 0};
  }
  return std::span(events_).first(ready);
}

int Poller::wait_once(base::Instant deadline) {
  base::Duration remaining{0};
  const base::Duration* timeout = nullptr;
  if (deadline != base::kNever) {
    remaining = std::max(deadline - posix::monotonic_now(), base::Duration{0});
    timeout = &remaining;
  }
  if (precision_ == WaitPrecision::kNanoseconds) {
    const int count = wait_precisely(fd_.value(), raw_, timeout);
    // Older container sandboxes return EPERM for system calls that they do not know.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
      return count;
    }
    precision_ = WaitPrecision::kMilliseconds;
  }
  return wait_by_milliseconds(fd_.value(), raw_, timeout);
}

}  // namespace knul::runtime
