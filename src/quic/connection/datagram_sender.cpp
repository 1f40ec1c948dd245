#include "quic/connection/datagram_sender.hpp"

#include <algorithm>

#include "quic/connection/connection.hpp"

namespace knul::quic {
namespace {

// RFC 9221 §3: a DATAGRAM must fit into one packet, beside a short header with the longest connection ID,
// packet number, tag, frame type and length.
constexpr std::size_t kDatagramOverheadBytes = 1 + NGTCP2_MAX_CIDLEN + 4 + 16 + 1 + 2;
constexpr std::size_t kLargestUdpPayloadBytes = 65'527;
static_assert(sizeof(UnsentDatagram) + kLargestUdpPayloadBytes - kDatagramOverheadBytes <=
              BlockPool::kLargestBytes);

// Sets the flag during its own lifetime.
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

DatagramSender::DatagramSender(const ConnectionEnvironment& environment, Connection& connection,
                               LibraryConnection& library)
    : environment_(environment), connection_(connection), library_(library), queue_(environment.blocks) {}

DatagramSender::~DatagramSender() { release(queue_.held_bytes()); }

DatagramOutcome DatagramSender::send(std::span<const std::uint8_t> bytes, const DatagramRequest& request) {
  const std::size_t limit = environment_.transport.datagram_queue;
  // RFC 9221 allows an empty DATAGRAM, but the library asserts on one.
  if (connection_.has_ended() || bytes.empty() || bytes.size() > max_bytes() || limit == 0) {
    environment_.counters.datagrams_dropped.add();
    return DatagramOutcome::kRefused;
  }
  const std::size_t memory = DatagramQueue::memory_of(bytes.size());
  // The observer may send from inside on_datagram_fate. Dropping another datagram for that one could recurse
  // without end.
  const bool is_within_drop = is_dropping_;
  // The new datagram may use the memory of the datagrams dropped for it, even above its connection's share.
  std::size_t freed = 0;
  while (is_within_drop || (freed < memory && !has_room_for(memory))) {
    if (request.policy == DatagramPolicy::kBlock) {
      queue_.note_blocked();
      return DatagramOutcome::kBlocked;
    }
    const bool is_for_memory = !is_within_drop && queue_.size() < limit;
    environment_.counters.datagrams_dropped_send_memory.add(is_for_memory ? 1 : 0);
    note_drop(is_for_memory ? Shortage::kMemory : Shortage::kQueue);
    if (request.policy == DatagramPolicy::kDropNewest || is_within_drop) {
      ++connection_.counts().datagrams_dropped_policy;
      environment_.counters.datagrams_dropped.add();
      return DatagramOutcome::kDropped;
    }
    const DroppingScope scope(is_dropping_);
    freed += drop_front(&ConnectionCounts::datagrams_dropped_policy);
  }
  const bool expires = request.expires_after > base::Duration::zero();
  queue_.push(bytes, DatagramTag(request.fate_context),
              expires ? library_.now() + request.expires_after : base::kNever);
  environment_.send_budget.take_for_datagram(connection_, memory, library_.now());
  environment_.counters.datagram_queue_bytes.add(memory);
  return DatagramOutcome::kQueued;
}

void DatagramSender::note_drop(Shortage shortage) const {
  environment_.log.write(base::LogLevel::kInfo, base::LogKind::kDatagramDropped, [&] {
    return "DATAGRAM to " + connection_.path().remote.to_string() + " dropped: " +
           (shortage == Shortage::kMemory ? "its connection has used up its share of server_send_buffer_bytes"
                                          : "the queue of its connection is full; datagram_queue is " +
                                                std::to_string(environment_.transport.datagram_queue));
  });
}

std::optional<ngtcp2_ssize> DatagramSender::write(const PacketRoom& room) {
  while (has_unsent()) {
    const UnsentDatagram& datagram = queue_.front();
    if (datagram.expires_at <= library_.now()) {
      drop_front(&ConnectionCounts::datagrams_dropped_expired);
      continue;
    }
    if (datagram.bytes.size() > max_bytes()) {
      drop_front(&ConnectionCounts::datagrams_dropped_size);
      continue;
    }
    bool is_accepted = false;
    const ngtcp2_ssize written =
        library_.write_datagram(room, datagram.tag.value(), datagram.bytes, is_accepted);
    if (is_accepted) {
      pop();
      environment_.counters.datagrams_sent.add();
    }
    if (written == NGTCP2_ERR_INVALID_ARGUMENT || written == NGTCP2_ERR_INVALID_STATE) {
      drop_front(
          &ConnectionCounts::datagrams_dropped_size);  // the path or the peer no longer accepts this size
    } else if (written != NGTCP2_ERR_WRITE_MORE) {
      return written;
    }
  }
  return std::nullopt;
}

// An empty queue always has room: a blocked program waits for queued datagrams to leave, and here none would.
bool DatagramSender::has_room_for(std::size_t memory) const {
  const SendBudget& budget = environment_.send_budget;
  return queue_.is_empty() || (queue_.size() < environment_.transport.datagram_queue &&
                               (budget.has_plenty_for(connection_, memory) ||
                                memory <= budget.room_for_datagrams(connection_, queue_.held_bytes())));
}

std::size_t DatagramSender::pop() {
  const std::size_t memory = queue_.pop();
  release(memory);
  return memory;
}

void DatagramSender::release(std::size_t memory) {
  environment_.send_budget.release(connection_, memory);
  environment_.counters.datagram_queue_bytes.sub(memory);
}

// A peer that acknowledges DATAGRAMs makes progress, unless it owes acknowledgements of stream data.
void DatagramSender::note_acknowledged() {
  ++connection_.counts().datagrams_acknowledged;
  environment_.counters.datagrams_acknowledged.add();
  if (!queue_.is_empty() && connection_.held_bytes() == queue_.held_bytes()) {
    environment_.send_budget.note_progress(connection_, library_.now());
  }
}

void DatagramSender::note_lost() {
  ++connection_.counts().datagrams_lost;
  environment_.counters.datagrams_lost.add();
}

std::size_t DatagramSender::drop_front(std::uint32_t ConnectionCounts::*reason) {
  const DatagramTag tag = queue_.front().tag;
  const std::size_t memory = pop();
  ++(connection_.counts().*reason);
  environment_.counters.datagrams_dropped.add();
  if (tag.reports_fate()) {
    environment_.observer.on_datagram_fate(connection_, tag.context(), DatagramFate::kDropped);
  }
  return memory;
}

void DatagramSender::notify_writable() {
  if (!connection_.has_ended() && queue_.take_writable()) {
    environment_.observer.on_datagram_writable(connection_);
  }
}

std::size_t DatagramSender::max_bytes() const {
  const ngtcp2_transport_params* peer = connection_.has_ended() ? nullptr : library_.peer_parameters();
  constexpr std::size_t kFrameHeaderBytes = 3;
  if (peer == nullptr || peer->max_datagram_frame_size <= kFrameHeaderBytes) {
    return 0;
  }
  const std::size_t in_frame = static_cast<std::size_t>(peer->max_datagram_frame_size) - kFrameHeaderBytes;
  const std::size_t in_packet = library_.max_udp_payload_bytes() - kDatagramOverheadBytes;
  return std::min(in_frame, in_packet);
}

}  // namespace knul::quic
