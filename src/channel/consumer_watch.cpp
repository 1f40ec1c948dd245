#include "channel/consumer_watch.hpp"

#include <utility>

namespace knul::channel {

bool ConsumerWatch::is_needed() const {
  // The drain has its own deadline, and a blocking stop may run in the thread that reads the events.
  return core_.is_open() && !core_.is_draining.load(std::memory_order_relaxed) && ring_.has_events() &&
         (has_timeout() || core_.wake.is_pair());
}

Core::State ConsumerWatch::check() {
  using State = Core::State;
  if (!is_needed()) {
    silent_periods_ = 0;
    return State::kOpen;
  }
  if (has_hung_up()) {
    return State::kHungUp;
  }
  const std::uint64_t activity = core_.activity();
  if (std::exchange(seen_activity_, activity) != activity) {
    silent_periods_ = 0;
    return State::kOpen;
  }
  ++silent_periods_;
  const bool is_silent = has_timeout() && silent_periods_ * kPeriod >= core_.settings.consumer_timeout;
  return is_silent ? State::kTimedOut : State::kOpen;
}

}  // namespace knul::channel
