#include "posix/event_descriptor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace knul::posix {

EventDescriptor EventDescriptor::create() noexcept {
  return EventDescriptor(FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

void EventDescriptor::signal() const noexcept {
  const std::uint64_t one = 1;
  (void)!::write(fd_.value(), &one, sizeof one);  // EAGAIN: the counter is full, so it is readable
}

void EventDescriptor::acknowledge() const noexcept {
  std::uint64_t count = 0;
  (void)!::read(fd_.value(), &count, sizeof count);  // EAGAIN: acknowledged before
}

}  // namespace knul::posix
