// Wakes a thread that sleeps in a Poller, with a system call only if it may be asleep.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "base/result.hpp"
#include "posix/event_descriptor.hpp"

namespace knul::runtime {

// A turn of the sleeper, with the mailboxes that share this waker:
//   waker.arm();
//   deadline = mailbox.has_mail() ? past : next_timer;
//   events = poller.wait(deadline);            // fd() registered for reading
//   waker.disarm();
//   if fd() is among the events: waker.acknowledge();
//   mailbox.drain(...);
//
// Invariant: no wake-up is lost. The sleeper stores armed and then loads the mailbox; a producer stores
// into the mailbox and then loads armed. All four are seq_cst, so in their single order at least one of
// the two sees the other's store: the sleeper does not sleep, or the producer writes the eventfd.
class Waker {
 public:
  // Errors: kQuota (descriptors), kInternal.
  static base::Result<std::unique_ptr<Waker>> create();
  explicit Waker(posix::EventDescriptor event) : event_(std::move(event)) {}

  [[nodiscard]] int fd() const { return event_.value(); }

  // Thread: the sleeper.
  void arm() { armed_.store(true, std::memory_order_seq_cst); }
  void disarm() { armed_.store(false, std::memory_order_relaxed); }
  void acknowledge() { event_.acknowledge(); }

  // Thread: any, after the store that the sleeper must see. At most one system call per sleep.
  void wake_if_armed() {
    if (armed_.load(std::memory_order_seq_cst) && armed_.exchange(false, std::memory_order_seq_cst)) {
      event_.signal();
    }
  }

 private:
  posix::EventDescriptor event_;
  std::atomic<bool> armed_{false};
};

}  // namespace knul::runtime
