// Hibernation: the library's memory of an idle connection is packed until the connection is used again.
#include "quic/connection/connection.hpp"

#include <algorithm>

namespace knul::quic {
namespace {

// A client that asks for nothing right after its handshake keeps a connection in stock.
constexpr base::Duration kUnusedFor = std::chrono::milliseconds(100);

}  // namespace

void Connection::wake_up() const {
  arena_->wake();
  environment_.counters.connections_hibernating.sub();
}

// Nothing under way that a packet or a call is bound to follow soon.
bool Connection::may_sleep() const {
  return arena_.has_value() && is_handshake_confirmed_ && streams_.empty() && stream_orders_.empty() &&
         datagrams_.is_empty() && stream_credit_due_at_ == base::kNever && !is_linked() && !is_over();
}

void Connection::note_activity() {
  const base::Duration after = environment_.transport.hibernate_after;
  last_active_at_ = last_now_;
  sleeps_at_ = last_now_ + (has_been_used_ ? after : std::min(after, kUnusedFor));
}

void Connection::try_sleep(base::Instant now) {
  const base::Instant until = library_expiry();
  const TransportState state = transport_state();
  if (state.in_flight_bytes > 0) {
    return postpone_sleep(now);
  }
  free_spare_memory();
  if (!arena_->sleep()) {
    return postpone_sleep(now);
  }
  asleep_until_ = until;
  asleep_state_ = state;
  environment_.counters.connections_hibernating.add();
  environment_.counters.hibernations.add();
}

void Connection::postpone_sleep(base::Instant now) {
  sleeps_at_ = now + std::chrono::milliseconds(1 + number_ % 4'096);
}

// What the containers keep for the next burst.
void Connection::free_spare_memory() {
  streams_ = {};
  stop_sending_seen_ = {};
  stream_orders_ = {};
  waiting_for_room_ = {};
  told_of_room_ = {};
  routes_.shrink_to_fit();
  for (AeadKey& key : conn_ref_.keys) {
    key.rest();
  }
  for (HeaderKey& key : conn_ref_.header_keys) {
    key.rest();
  }
}

}  // namespace knul::quic
