#include "quic/stream/receive_window.hpp"

#include <algorithm>
#include <utility>

namespace knul::quic {

std::uint64_t ReceiveWindow::take_credit(const CreditInputs& at) {
  const std::uint64_t used = std::exchange(owed_bytes_, 0);
  const base::Duration elapsed = at.now - std::exchange(last_credit_at_, at.now);
  const base::Duration round_trip = std::max(at.smoothed_rtt, kShortestRoundTrip);
  if (elapsed <= round_trip && at.limit_bytes > bytes_ && !at.is_share_exceeded) {
    const std::uint64_t grown = std::min(bytes_, at.limit_bytes - bytes_);
    bytes_ += grown;
    return used + grown;
  }
  if (at.is_share_exceeded || (at.is_memory_short && elapsed > kSlowRoundTrips * round_trip)) {
    const std::uint64_t lost = std::min(used, beyond_initial_bytes());
    bytes_ -= lost;
    return used - lost;
  }
  return used;
}

}  // namespace knul::quic
