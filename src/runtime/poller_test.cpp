#include "runtime/poller.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "posix/clock.hpp"
#include "posix/event_descriptor.hpp"

namespace knul::runtime {
namespace {

using namespace std::chrono_literals;

class EpollPoller : public ::testing::TestWithParam<WaitPrecision> {
 protected:
  Poller poller_ = Poller::create(GetParam()).value();
  posix::EventDescriptor event_ = posix::EventDescriptor::create();
};

TEST_P(EpollPoller, NeverReturnsEmptyBeforeTheDeadline) {
  for (const base::Duration pause : {1us, 300us, 1500us, 5000us}) {
    const base::Instant deadline = posix::monotonic_now() + pause;
    EXPECT_TRUE(poller_.wait(deadline).empty());
    EXPECT_GE(posix::monotonic_now(), deadline);
  }
}

TEST_P(EpollPoller, DoesNotBlockWhenTheDeadlineHasPassed) {
  ASSERT_TRUE(poller_.add(event_.value(), 1, {.read = true}));
  EXPECT_TRUE(poller_.wait(base::Instant{}).empty());
  event_.signal();
  EXPECT_EQ(poller_.wait(base::Instant{}).size(), 1U);
}

TEST_P(EpollPoller, ReportsReadinessWithItsToken) {
  ASSERT_TRUE(poller_.add(event_.value(), 0xfeed'0000'0001, {.read = true}));
  event_.signal();
  const auto events = poller_.wait(base::kNever);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].token, 0xfeed'0000'0001U);
  EXPECT_TRUE(events[0].is_readable);
  EXPECT_FALSE(events[0].is_writable);
}

TEST_P(EpollPoller, ReportsTheChangedInterest) {
  ASSERT_TRUE(poller_.add(event_.value(), 1, {.read = true}));
  event_.signal();
  ASSERT_TRUE(poller_.modify(event_.value(), 2, {.write = true}));
  const auto events = poller_.wait(base::kNever);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].token, 2U);
  EXPECT_TRUE(events[0].is_writable);
  EXPECT_FALSE(events[0].is_readable);
}

TEST_P(EpollPoller, ReportsAHangUpAsReadableAndWritable) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const posix::FileDescriptor ours(ends[0]);
  close(ends[1]);
  ASSERT_TRUE(poller_.add(ours.value(), 1, {.read = true}));
  const auto events = poller_.wait(base::kNever);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(events[0].is_readable && events[0].is_writable);
}

TEST_P(EpollPoller, RefusesADescriptorThatIsNotOpen) { EXPECT_FALSE(poller_.add(-1, 1, {.read = true})); }

TEST_P(EpollPoller, ContinuesToWaitAfterASignal) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> is_over{false};
  std::thread disturber([&, waiter = pthread_self()] {
    while (!is_over) {
      pthread_kill(waiter, SIGUSR1);
      std::this_thread::yield();
    }
  });
  const base::Instant deadline = posix::monotonic_now() + 20ms;
  EXPECT_TRUE(poller_.wait(deadline).empty());
  EXPECT_GE(posix::monotonic_now(), deadline);
  is_over = true;
  disturber.join();
  sigaction(SIGUSR1, &before, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Precision, EpollPoller,
                         ::testing::Values(WaitPrecision::kNanoseconds, WaitPrecision::kMilliseconds),
                         [](const auto& test) {
                           return std::string(test.param == WaitPrecision::kNanoseconds ? "Ns" : "Ms");
                         });

}  // namespace
}  // namespace knul::runtime
