#include "runtime/worker_thread.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <array>
#include <atomic>

#include "runtime/completion_latch.hpp"

namespace knul::runtime {
namespace {

TEST(WorkerThread, RunsItsBodyAndIsJoinedOnDestruction) {
  std::atomic<bool> has_run{false};
  {
    CompletionLatch may_end;
    auto thread = WorkerThread::start({.name = "knul-test"}, [&] {
      may_end.wait();
      has_run = true;
    });
    ASSERT_TRUE(thread);
    may_end.count_down();
  }
  EXPECT_TRUE(has_run);
}

TEST(WorkerThread, BearsItsNameCutToWhatTheKernelTakes) {
  std::array<char, 32> name{};
  (void)WorkerThread::start({.name = "knul-worker-number-1"},
                            [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
  EXPECT_STREQ(name.data(), "knul-worker-num");
}

TEST(WorkerThread, BlocksEverySignalWithoutChangingItsCreatorsMask) {
  sigset_t only_terminate;
  sigemptyset(&only_terminate);
  sigaddset(&only_terminate, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &only_terminate, nullptr);
  sigset_t inside;
  sigemptyset(&inside);
  (void)WorkerThread::start({.name = "knul-test"}, [&] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); });
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE, SIGPROF, SIGCHLD, SIGALRM, SIGRTMIN}) {
    EXPECT_EQ(sigismember(&inside, number), 1) << number;
  }
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGTERM), 0);
}

TEST(WorkerThread, StaysOnTheCpuThatItIsPinnedTo) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  unsigned cpu = CPU_SETSIZE;
  while (!CPU_ISSET(cpu - 1, &allowed)) {
    --cpu;
  }
  --cpu;
  cpu_set_t inside;
  (void)WorkerThread::start({.name = "knul-test", .cpu = cpu},
                            [&] { sched_getaffinity(0, sizeof(inside), &inside); });
  EXPECT_EQ(CPU_COUNT(&inside), 1);
  EXPECT_TRUE(CPU_ISSET(cpu, &inside));
}

TEST(WorkerThread, RefusesACpuThatDoesNotExist) {
  for (const unsigned cpu : {CPU_SETSIZE - 1U, 1'000'000U}) {
    const auto thread = WorkerThread::start({.name = "knul-test", .cpu = cpu}, [] {});
    ASSERT_FALSE(thread);
    EXPECT_EQ(thread.error().kind, base::ErrorKind::kInvalidArgument);
  }
}

}  // namespace
}  // namespace knul::runtime
