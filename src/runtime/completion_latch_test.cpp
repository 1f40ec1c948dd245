#include "runtime/completion_latch.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "posix/clock.hpp"

namespace knul::runtime {
namespace {

using namespace std::chrono_literals;

TEST(CompletionLatch, IsNotCompleteBeforeTheLastCount) {
  CompletionLatch latch(2);
  latch.count_down();
  EXPECT_FALSE(latch.wait_until(base::Instant{}));
  latch.count_down();
  EXPECT_TRUE(latch.wait_until(base::Instant{}));
}

TEST(CompletionLatch, StaysCompleteWhenCountedDownTooOften) {
  CompletionLatch latch;
  latch.count_down();
  latch.count_down();
  EXPECT_TRUE(latch.wait_until(base::Instant{}));
}

TEST(CompletionLatch, GivesUpAtItsDeadlineAndNotBefore) {
  CompletionLatch latch;
  const base::Instant deadline = posix::monotonic_now() + 5ms;
  EXPECT_FALSE(latch.wait_until(deadline));
  EXPECT_GE(posix::monotonic_now(), deadline);
}

TEST(CompletionLatch, PublishesWhatThreadsDidBeforeTheyCountedDown) {
  constexpr std::size_t kThreads = 4;
  CompletionLatch latch(kThreads);
  std::vector<int> results(kThreads, 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&latch, &results, i] {
      results[i] = 1;
      latch.count_down();
    });
  }
  latch.wait();
  EXPECT_EQ(results, std::vector<int>(kThreads, 1));
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(CompletionLatch, ReleasesEveryWaiter) {
  for (int round = 0; round < 50; ++round) {
    CompletionLatch is_waiting(4);
    CompletionLatch latch;
    std::vector<std::thread> waiters;
    for (int i = 0; i < 4; ++i) {
      waiters.emplace_back([&] {
        is_waiting.count_down();
        EXPECT_TRUE(latch.wait_until(posix::monotonic_now() + 5s));
      });
    }
    is_waiting.wait();
    latch.count_down();
    for (std::thread& waiter : waiters) {
      waiter.join();
    }
  }
}

}  // namespace
}  // namespace knul::runtime
