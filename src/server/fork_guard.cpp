#include "server/fork_guard.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace knul::server {

// Global, because a fork concerns every part of the library. Invariant: a forking thread holds the mutex
// during fork, so that the child finds a consistent list.
struct ForkList {
  void add(ClosedInForks& member) noexcept {
    member.next_ = first;
    if (first != nullptr) {
      first->previous_ = &member;
    }
    first = &member;
  }

  void remove(ClosedInForks& member) noexcept {
    (member.previous_ != nullptr ? member.previous_->next_ : first) = member.next_;
    if (member.next_ != nullptr) {
      member.next_->previous_ = member.previous_;
    }
  }

  void close_all() const noexcept {
    for (const ClosedInForks* member = first; member != nullptr; member = member->next_) {
      ::close(member->fd_);
    }
  }

  std::mutex mutex;
  ClosedInForks* first = nullptr;
};

namespace {

constinit std::atomic<bool> is_armed{false};
constinit std::atomic<bool> is_child{false};
constinit ForkList list;

void before_fork() { list.mutex.lock(); }

void after_fork_in_parent() { list.mutex.unlock(); }

void after_fork_in_child() {
  if (is_armed.load()) {
    is_child.store(true);
    list.close_all();
  }
  list.mutex.unlock();
}

// At load time: at the first use a fork could come between registration and use.
const int registration = ::pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);

}  // namespace

base::Status arm_fork_guard() {
  if (registration != 0) {
    return base::Error{base::ErrorKind::kOutOfMemory,
                       "there was no memory for the fork handler when the library was loaded"};
  }
  is_armed.store(true);
  return {};
}

bool is_forked_child() noexcept { return is_child.load(std::memory_order_relaxed); }

ClosedInForks::ClosedInForks(int fd) noexcept : fd_(fd) {
  const std::lock_guard lock(list.mutex);
  list.add(*this);
}

ClosedInForks::~ClosedInForks() {
  const std::lock_guard lock(list.mutex);
  list.remove(*this);
}

}  // namespace knul::server
