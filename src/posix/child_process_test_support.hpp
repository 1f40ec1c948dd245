// Runs a check in a child process, for tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace knul::posix {

// Evaluates `claim` in a child process, so that its changes to the process end with the child.
inline bool is_true_in_child(const std::function<bool()>& claim) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(claim() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

}  // namespace knul::posix
