#include "runtime/waker.hpp"

#include <cerrno>
#include <string>
#include <system_error>

namespace knul::runtime {

base::Result<std::unique_ptr<Waker>> Waker::create() {
  posix::EventDescriptor event = posix::EventDescriptor::create();
  if (!event.is_open()) {
    const bool is_quota = errno == EMFILE || errno == ENFILE;
    return base::Error{is_quota ? base::ErrorKind::kQuota : base::ErrorKind::kInternal,
                       "cannot create an eventfd: " + std::generic_category().message(errno)};
  }
  return std::make_unique<Waker>(std::move(event));
}

}  // namespace knul::runtime
