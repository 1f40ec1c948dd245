#include "runtime/waker.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

namespace knul::runtime {

base::Result<std::unique_ptr<Waker>> Waker::create() {
  posix::FileDescriptor fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.is_open()) {
    const bool is_quota = errno == EMFILE || errno == ENFILE;
    return base::Error{is_quota ? base::ErrorKind::kQuota : base::ErrorKind::kInternal,
                       "cannot create an eventfd: " + std::generic_category().message(errno)};
  }
  return std::make_unique<Waker>(std::move(fd));
}

void Waker::acknowledge() {
  std::uint64_t count = 0;
  (void)!read(fd_.value(), &count, sizeof(count));  // EAGAIN: acknowledged before
}

void Waker::signal() {
  const std::uint64_t one = 1;
  (void)!write(fd_.value(), &one, sizeof(one));  // EAGAIN: 2^64 - 2 unread signals, it is readable anyway
}

}  // namespace knul::runtime
