#include "runtime/completion_latch.hpp"

#include <cerrno>
#include <ctime>

namespace knul::runtime {
namespace {

class Lock {
 public:
  explicit Lock(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  ~Lock() { pthread_mutex_unlock(&mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t& mutex_;
};

timespec to_timespec(base::Instant instant) {
  const base::Duration since_boot = instant.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((since_boot - seconds).count())};
}

}  // namespace

CompletionLatch::CompletionLatch(std::size_t count) : count_(count) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&changed_, &attributes);
  pthread_condattr_destroy(&attributes);
}

CompletionLatch::~CompletionLatch() {
  pthread_cond_destroy(&changed_);
  pthread_mutex_destroy(&mutex_);
}

void CompletionLatch::count_down() {
  const Lock lock(mutex_);
  if (count_ > 0 && --count_ == 0) {
    pthread_cond_broadcast(&changed_);  // under the lock, because a waiter may then destroy the latch
  }
}

bool CompletionLatch::wait_until(base::Instant deadline) {
  const timespec limit = to_timespec(deadline);
  const Lock lock(mutex_);
  int result = 0;
  while (count_ > 0 && result != ETIMEDOUT) {
    result = deadline == base::kNever ? pthread_cond_wait(&changed_, &mutex_)
                                      : pthread_cond_timedwait(&changed_, &mutex_, &limit);
  }
  return count_ == 0;
}

}  // namespace knul::runtime
