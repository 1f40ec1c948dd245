// A latch between threads, with deadlines on the monotonic clock.
#pragma once

#include <pthread.h>

#include <cstddef>

#include "base/time.hpp"

namespace knul::runtime {

// Counts down to zero once. stop() waits for all workers with it. With a count of 1 it is an event.
// Thread: any.
class CompletionLatch {
 public:
  explicit CompletionLatch(std::size_t count = 1);
  ~CompletionLatch();
  CompletionLatch(const CompletionLatch&) = delete;
  CompletionLatch& operator=(const CompletionLatch&) = delete;

  // No effect at zero. Everything before the last count_down happens before wait_until returns true.
  void count_down();
  // True: complete. False: the deadline has passed. kNever waits without one.
  [[nodiscard]] bool wait_until(base::Instant deadline);
  void wait() { (void)wait_until(base::kNever); }

 private:
  // Not std::condition_variable, which waits by pthread_cond_clockwait; ThreadSanitizer of GCC 12 does not
  // know that function.
  mutable pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_;
  std::size_t count_;
};

}  // namespace knul::runtime
