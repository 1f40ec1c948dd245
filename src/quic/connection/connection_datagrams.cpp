// Datagrams of a connection (RFC 9221): the queue of what is to be sent.
#include "quic/connection/connection.hpp"

#include <algorithm>

namespace knul::quic {
namespace {

// A DATAGRAM must fit into one packet: short header with the longest connection ID, packet number, tag,
// frame type and length. RFC 9221 §3.
constexpr std::size_t kDatagramOverheadBytes = 1 + NGTCP2_MAX_CIDLEN + 4 + 16 + 1 + 2;
constexpr std::size_t kLargestUdpPayloadBytes = 65'527;
static_assert(sizeof(UnsentDatagram) + kLargestUdpPayloadBytes - kDatagramOverheadBytes <=
              BlockPool::kLargestBytes);

// Sets the flag for its own lifetime.
class DroppingScope {
 public:
  explicit DroppingScope(bool& flag) : flag_(flag) { flag_ = true; }
  ~DroppingScope() { flag_ = false; }
  DroppingScope(const DroppingScope&) = delete;
  DroppingScope& operator=(const DroppingScope&) = delete;

 private:
  bool& flag_;
};

}  // namespace

DatagramOutcome Connection::send_datagram(std::span<const std::uint8_t> bytes,
                                          const DatagramRequest& request) {
  const std::size_t limit = environment_.transport.datagram_queue;
  // RFC 9221 allows an empty DATAGRAM, but the library asserts on one.
  if (is_over() || bytes.empty() || bytes.size() > max_datagram_bytes() || limit == 0) {
    environment_.counters.datagrams_dropped.add();
    return DatagramOutcome::kRefused;
  }
  const std::size_t memory = DatagramQueue::memory_of(bytes.size());
  // The observer may send from inside on_datagram_fate. If that dropped a further datagram, there would be no
  // end.
  const bool is_within_drop = is_dropping_datagrams_;
  // The new datagram may use the memory of those dropped for it, even if its connection is above its share.
  std::size_t freed = 0;
  while (is_within_drop || (freed < memory && !has_room_for_datagram(memory))) {
    if (request.policy == DatagramPolicy::kBlock) {
      datagrams_.note_blocked();
      return DatagramOutcome::kBlocked;
    }
    const bool is_for_memory = !is_within_drop && datagrams_.size() < limit;
    environment_.counters.datagrams_dropped_send_memory.add(is_for_memory ? 1 : 0);
    if (request.policy == DatagramPolicy::kDropNewest || is_within_drop) {
      environment_.counters.datagrams_dropped.add();
      return DatagramOutcome::kDropped;
    }
    const DroppingScope scope(is_dropping_datagrams_);
    freed += drop_front_datagram();
  }
  has_been_used_ = true;
  const bool expires = request.expires_after > base::Duration::zero();
  datagrams_.push(bytes, DatagramTag(request.fate_context),
                  expires ? last_now_ + request.expires_after : base::kNever);
  environment_.send_budget.take_for_datagram(*this, memory, last_now_);
  environment_.counters.datagram_queue_bytes.add(memory);
  schedule();
  return DatagramOutcome::kQueued;
}

// An empty queue always has room, because a blocked program is told when queued datagrams leave.
bool Connection::has_room_for_datagram(std::size_t memory) const {
  const SendBudget& budget = environment_.send_budget;
  return datagrams_.is_empty() || (datagrams_.size() < environment_.transport.datagram_queue &&
                                   (budget.has_plenty_for(*this, memory) ||
                                    memory <= budget.room_for_datagrams(*this, datagrams_.held_bytes())));
}

std::size_t Connection::pop_datagram() {
  const std::size_t memory = datagrams_.pop();
  release_datagrams(memory);
  return memory;
}

void Connection::release_datagrams(std::size_t memory) {
  environment_.send_budget.release(*this, memory);
  environment_.counters.datagram_queue_bytes.sub(memory);
}

// A peer that takes DATAGRAMs makes progress, unless it owes acknowledgements of stream data.
void Connection::note_datagram_acknowledged() {
  if (!datagrams_.is_empty() && buffered_bytes() == 0) {
    environment_.send_budget.note_progress(*this, last_now_);
  }
}

std::size_t Connection::drop_front_datagram() {
  const DatagramTag tag = datagrams_.front().tag;
  const std::size_t memory = pop_datagram();
  environment_.counters.datagrams_dropped.add();
  if (tag.reports_fate()) {
    environment_.observer.on_datagram_fate(*this, tag.context(), DatagramFate::kDropped);
  }
  return memory;
}

void Connection::notify_datagram_writable() {
  if (!is_over() && datagrams_.take_writable()) {
    environment_.observer.on_datagram_writable(*this);
  }
}

std::size_t Connection::max_datagram_bytes() const {
  const ngtcp2_transport_params* peer = is_over() ? nullptr : ngtcp2_conn_get_remote_transport_params(conn());
  constexpr std::size_t kFrameHeaderBytes = 3;
  if (peer == nullptr || peer->max_datagram_frame_size <= kFrameHeaderBytes) {
    return 0;
  }
  const std::size_t in_frame = static_cast<std::size_t>(peer->max_datagram_frame_size) - kFrameHeaderBytes;
  const std::size_t in_packet = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn()) - kDatagramOverheadBytes;
  return std::min(in_frame, in_packet);
}

}  // namespace knul::quic
