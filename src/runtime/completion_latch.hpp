// Waiting between threads with a deadline on the monotonic clock.
#pragma once

#include <pthread.h>

#include <cstddef>

#include "base/time.hpp"

namespace knul::runtime {

// Counts down to zero once: stop() waits with it for all workers. A count of 1 makes it a plain event.
// Thread: any.
class CompletionLatch {
 public:
  explicit CompletionLatch(std::size_t count = 1);
  ~CompletionLatch();
  CompletionLatch(const CompletionLatch&) = delete;
  CompletionLatch& operator=(const CompletionLatch&) = delete;

  // Below zero it stays zero. Everything before the last count_down happens before wait_until gives true.
  void count_down();
  [[nodiscard]] bool is_complete() const;
  // True: complete. False: the deadline has passed. kNever waits without one.
  [[nodiscard]] bool wait_until(base::Instant deadline);
  void wait() { (void)wait_until(base::kNever); }

 private:
  // pthread and not std::condition_variable: the C++ one waits by pthread_cond_clockwait, which
  // ThreadSanitizer of gcc 12 does not know.
  mutable pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed_;
  std::size_t count_;
};

}  // namespace knul::runtime
