#include "server/fork_guard.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "posix/child_process_test_support.hpp"

namespace knul::server {
namespace {

using posix::is_true_in_child;

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

// In its own process, because arming cannot be undone.
bool marks_only_later_children() {
  const bool is_unmarked = !is_forked_child() && !is_true_in_child(&is_forked_child);
  return is_unmarked && arm_fork_guard() && is_true_in_child(&is_forked_child) && !is_forked_child();
}

TEST(ForkGuard, MarksOnlyChildrenThatAreForkedAfterItWasArmed) {
  EXPECT_TRUE(is_true_in_child(&marks_only_later_children));
}

TEST(ForkGuard, ClosesInAChildExactlyTheDescriptorsThatAreStillListed) {
  EXPECT_TRUE(is_true_in_child([] {
    std::array<int, 4> fds{};
    std::array<std::unique_ptr<ClosedInForks>, 4> listed;
    for (std::size_t i = 0; i < fds.size(); ++i) {
      fds[i] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      listed[i] = std::make_unique<ClosedInForks>(fds[i]);
    }
    listed[1].reset();  // from the middle
    listed[3].reset();  // from an end
    const bool is_armed = static_cast<bool>(arm_fork_guard());
    return is_armed && is_true_in_child([&] {
             return !is_open(fds[0]) && is_open(fds[1]) && !is_open(fds[2]) && is_open(fds[3]);
           }) &&
           is_open(fds[0]);
  }));
}

}  // namespace
}  // namespace knul::server
