#include "posix/file_descriptor.hpp"

#include <gtest/gtest.h>

#include <array>

#include "posix/child_process_test_support.hpp"

namespace knul::posix {
namespace {

TEST(FileDescriptor, NeverKeepsTheNumberOfAStandardDescriptor) {
  EXPECT_TRUE(is_true_in_child([] {
    for (int standard = 0; standard <= 2; ++standard) {
      ::close(standard);
    }
    std::array<FileDescriptor, 4> owned;
    for (FileDescriptor& fd : owned) {
      fd = FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (fd.value() <= 2 || ::fcntl(fd.value(), F_GETFD) != FD_CLOEXEC) {
        return false;
      }
    }
    return ::fcntl(0, F_GETFD) < 0 && ::fcntl(1, F_GETFD) < 0 && ::fcntl(2, F_GETFD) < 0;
  }));
}

TEST(FileDescriptor, KeepsTheErrorOfACallThatFailed) {
  const FileDescriptor fd(::open("/nothing at all", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(fd.is_open());
}

}  // namespace
}  // namespace knul::posix
