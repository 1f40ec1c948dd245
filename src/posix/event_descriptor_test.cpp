#include "posix/event_descriptor.hpp"

#include <gtest/gtest.h>
#include <poll.h>

namespace knul::posix {
namespace {

bool is_readable(const EventDescriptor& event) {
  pollfd entry{event.value(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

TEST(EventDescriptor, IsReadableFromASignalUntilItIsAcknowledged) {
  const EventDescriptor event = EventDescriptor::create();
  ASSERT_TRUE(event.is_open());
  EXPECT_FALSE(is_readable(event));
  event.signal();
  event.signal();
  EXPECT_TRUE(is_readable(event));
  event.acknowledge();
  EXPECT_FALSE(is_readable(event));
}

TEST(EventDescriptor, DoesNotBlockWhenNothingWasSignalled) {
  const EventDescriptor event = EventDescriptor::create();
  event.acknowledge();
  EXPECT_FALSE(is_readable(event));
}

TEST(EventDescriptor, IsClosedUntilItIsCreated) { EXPECT_FALSE(EventDescriptor().is_open()); }

}  // namespace
}  // namespace knul::posix
