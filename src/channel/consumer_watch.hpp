// Detects a program that no longer reads the events of its channel.
//
// The program's end of the wake socket may stay open after its thread has died. So the watch also detects
// silence: events wait, and the program neither moves a ring head nor calls a function of the channel. The
// watch counts silence in periods of the worker's timer, not by the clock. A stopped process (SIGSTOP, a
// debugger that halts all threads) also stops its workers, so the stop does not count as silence.
#pragma once

#include <chrono>
#include <cstdint>

#include "channel/core.hpp"
#include "channel/event_ring.hpp"

namespace knul::channel {

// Thread: one. Lifetime: core and ring outlive this object.
class ConsumerWatch {
 public:
  static constexpr auto kPeriod = std::chrono::milliseconds(100);

  ConsumerWatch(const Core& core, const EventRing& ring) : core_(core), ring_(ring) {}

  // True: events wait for the program, and the caller must call check() after kPeriod.
  [[nodiscard]] bool is_needed() const;
  // Returns the state that the channel should have. kHungUp: the program has closed its end of the wake
  // socket. kTimedOut: events waited for settings.consumer_timeout, and the program was not active.
  // Otherwise kOpen.
  [[nodiscard]] Core::State check();
  // True if the channel is open and the program has closed its end of the wake socket. Costs a system call.
  [[nodiscard]] bool has_hung_up() const { return core_.is_open() && core_.wake.has_hung_up(); }

 private:
  [[nodiscard]] bool has_timeout() const {
    return core_.settings.consumer_timeout != Settings::kNoConsumerTimeout;
  }

  const Core& core_;
  const EventRing& ring_;
  std::uint64_t seen_activity_ = 0;   // Core::activity at the last check
  std::uint32_t silent_periods_ = 0;  // since seen_activity_ changed
};

}  // namespace knul::channel
