// A connection's clock: what it is told of time, and when it next wants to be.
#include "quic/connection/connection.hpp"

#include <algorithm>
#include <utility>

#include "quic/connection/transport_settings.hpp"

namespace knul::quic {

// The library asserts on a clock that goes backwards.
ngtcp2_tstamp Connection::advance(base::Instant now) {
  if (unheeded_pacing_.has_value()) {
    const base::Instant due = std::exchange(unheeded_pacing_, std::nullopt)->due;
    if (due < now) {
      // At the time that it had, or the library would count the time until now as time that it may make up
      // for.
      last_now_ = std::max(last_now_, due);
      handle_library_expiry(to_timestamp(last_now_));
    }
  }
  last_now_ = std::max(last_now_, now);
  return to_timestamp(last_now_);
}

base::Instant Connection::next_expiry() const {
  if (is_asleep()) {
    return asleep_until_;
  }
  return may_sleep() ? std::min(library_expiry(), sleeps_at_)
                     : std::min(library_expiry(), stream_credit_due_at_);
}

base::Instant Connection::library_expiry() const {
  if (unheeded_pacing_.has_value()) {
    return unheeded_pacing_->others;
  }
  const ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(conn());
  constexpr auto kLargest = static_cast<ngtcp2_tstamp>(base::Duration::max().count());
  return expiry >= kLargest ? base::kNever : base::Instant(base::Duration(static_cast<std::int64_t>(expiry)));
}

void Connection::handle_expiry(base::Instant now) {
  handle_library_expiry(advance(now));
  schedule();
}

void Connection::handle_library_expiry(ngtcp2_tstamp now) {
  const int result = ngtcp2_conn_handle_expiry(conn(), now);
  if (result != 0 && !is_over()) {
    fail(result);
  }
}

// The library's timer for the next packet is of use only while something waits for it. After everything has
// been sent it is left out of next_expiry(), and told to the library late, by advance(): a wake-up saved for
// every answer.
void Connection::pace(ngtcp2_tstamp now, bool has_sent_all) {
  const base::Instant others = library_expiry();
  ngtcp2_conn_update_pkt_tx_time(conn(), now);
  const base::Instant next_packet = library_expiry();
  // Acknowledgements alone change nothing, and what was known of earlier packets holds.
  if (next_packet != others) {
    next_packet_at_ = next_packet;
  }
  if (has_sent_all && next_packet < others) {
    unheeded_pacing_ = {next_packet, others, false};
  }
}

// The same where everything has been acknowledged before that time. The library tells only the first of its
// timers, and while pacing forbids a packet, not whether it has something to send. So this is only for a
// connection that rests: no stream is open, what was asked of the library has left it, and no packet was
// lost. Behind the timer for pacing there may then be those for upkeep (of paths and connection IDs, probes
// of the path MTU) and for the idle timeout, which can wait.
void Connection::pause() {
  constexpr base::Duration kLongestDelay = std::chrono::seconds(1);
  if (next_packet_at_ <= last_now_ || library_expiry() != next_packet_at_ || !is_handshake_confirmed_ ||
      !streams_.empty() || !datagrams_.is_empty()) {
    return;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn(), &info);
  // Frames of a lost packet are queued anew. A loss changes the threshold of slow start, but not in BBR,
  // which has none.
  const bool has_lost = std::exchange(slow_start_threshold_, info.ssthresh) != info.ssthresh ||
                        environment_.transport.congestion_control == CongestionControl::kBbr;
  may_hold_frames_ = may_hold_frames_ || has_lost;
  if (may_hold_frames_ || info.bytes_in_flight > 0 || owes_acknowledgement()) {
    return;
  }
  unheeded_pacing_ = {next_packet_at_,
                      next_packet_at_ + std::min(kLongestDelay, environment_.transport.idle_timeout / 2),
                      true};
}

}  // namespace knul::quic
