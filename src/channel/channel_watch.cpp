// Whether the program behind a channel is still there.
//
// A descriptor of a thread that died may stay open, so silence counts, too: events that wait while the
// program neither moves a head nor calls anything. Silence is counted in periods of the worker's timer rather
// than by the clock: a process that was stopped (SIGSTOP, a debugger that halts all threads) was not silent
// for long, because its workers stood still as well.
#include "channel/channel_worker.hpp"

namespace knul::channel {

bool ChannelWorker::needs_watch() const {
  // The drain has its own deadline, and a blocking stop may be called by the thread that reads the events.
  return core_.is_open() && !core_.is_draining.load(std::memory_order_relaxed) && ring_.has_events() &&
         (core_.settings.consumer_timeout != ChannelSettings::kNoConsumerTimeout || core_.wake.is_pair());
}

void ChannelWorker::watch_consumer() {
  if (!needs_watch()) {
    silent_periods_ = 0;
    return;
  }
  notice_hang_up();
  const std::uint64_t signs = core_.signs_of_life();
  if (std::exchange(seen_signs_, signs) != signs) {
    silent_periods_ = 0;
    return;
  }
  ++silent_periods_;
  if (core_.settings.consumer_timeout != ChannelSettings::kNoConsumerTimeout &&
      silent_periods_ * kWatchPeriod >= core_.settings.consumer_timeout) {
    break_channel(ChannelCore::State::kSilent, KREPIS_TIMEOUT);
  }
}

void ChannelWorker::notice_hang_up() {
  if (core_.is_open() && core_.wake.has_hung_up()) {
    break_channel(ChannelCore::State::kAbandoned, KREPIS_CONNECTION_FAILED);
  }
}

}  // namespace knul::channel
