// Finds out whether the program behind a channel still reads its events.
//
// A descriptor of a thread that died may stay open, so silence counts, too: events that wait while the
// program neither moves a head nor calls anything. Silence is counted in periods of the worker's timer rather
// than by the clock: a process that was stopped (SIGSTOP, a debugger that halts all threads) was not silent
// for long, because its workers stood still as well.
#pragma once

#include <chrono>
#include <cstdint>

#include "channel/core.hpp"
#include "channel/event_ring.hpp"

namespace knul::channel {

// Thread: one. Lifetime: core and ring are longer.
class ConsumerWatch {
 public:
  static constexpr auto kPeriod = std::chrono::milliseconds(100);

  ConsumerWatch(const Core& core, const EventRing& ring) : core_(core), ring_(ring) {}

  // Events are there that a program which lives would read: look is to be called in kPeriod.
  [[nodiscard]] bool is_needed() const;
  // The state that the channel should have: kAbandoned when the program has closed its end of the wake
  // socket, kSilent when it gave no sign of life for settings.consumer_timeout while events were there, else
  // kOpen.
  [[nodiscard]] Core::State look();
  // Whether an open channel is abandoned. Costs a system call.
  [[nodiscard]] bool has_hung_up() const { return core_.is_open() && core_.wake.has_hung_up(); }

 private:
  [[nodiscard]] bool has_timeout() const {
    return core_.settings.consumer_timeout != Settings::kNoConsumerTimeout;
  }

  const Core& core_;
  const EventRing& ring_;
  std::uint64_t seen_signs_ = 0;      // of life
  std::uint32_t silent_periods_ = 0;  // since they changed
};

}  // namespace knul::channel
