// How streams accept writes, wait for room, and fill packets in turn.
#include <algorithm>
#include <cassert>
#include <utility>

#include "quic/connection/connection.hpp"
#include "quic/connection/stream_set.hpp"

namespace knul::quic {

// Called before an acknowledgement is read, when the most data is in flight. The queueing part of the round
// trip is left out: more data ahead would only lengthen the queues.
void StreamSet::note_path_capacity() {
  const TransportState state = library_.transport_state();
  if (state.smoothed_rtt > base::Duration::zero()) {
    const double bytes = static_cast<double>(state.in_flight_bytes) *
                         static_cast<double>(state.min_rtt.count()) /
                         static_cast<double>(state.smoothed_rtt.count());
    path_capacity_bytes_ = std::max(path_capacity_bytes_, static_cast<std::uint64_t>(bytes));
  }
}

// Twice the capacity of the path, so that the path stays full while the acknowledgements of one round trip
// are on their way. The congestion window alone does not show this: on a path without loss it grows without
// bound.
std::uint64_t StreamSet::grown_limit() const {
  if (2 * path_capacity_bytes_ <= environment_.transport.stream_send_buffer_bytes) {
    return 0;
  }
  return std::min({environment_.transport.max_stream_send_buffer_bytes, 2 * path_capacity_bytes_,
                   2 * library_.transport_state().congestion_window_bytes});
}

// The room that the limits of the stream and of its connection leave for a write of `wanted_bytes`.
std::uint64_t StreamSet::own_room(const Stream& stream, std::size_t wanted_bytes) const {
  if (connection_.has_ended() || !can_send(stream) || stream.is_fin_queued) {
    return 0;
  }
  const auto left = [](std::uint64_t limit, std::uint64_t used) { return limit > used ? limit - used : 0; };
  const TransportOptions& options = environment_.transport;
  std::uint64_t room = left(options.stream_send_buffer_bytes, stream.send.size());
  if (wanted_bytes > room) {
    // A quarter of the connection's memory and half of the server's are reserved for initial stream buffers,
    // so that grown streams leave room to new ones.
    room = std::max(room, std::min({left(grown_limit(), stream.send.size()),
                                    left(options.connection_send_buffer_bytes / 4 * 3, buffered_bytes_),
                                    environment_.send_budget.room_to_grow()}));
  }
  return std::min(room, left(options.connection_send_buffer_bytes, buffered_bytes_));
}

std::size_t StreamSet::writable_bytes(const Stream& stream, std::size_t wanted_bytes) const {
  const std::size_t room = std::min<std::size_t>(own_room(stream, wanted_bytes), wanted_bytes);
  const SendBudget& budget = environment_.send_budget;
  return budget.has_plenty_for(connection_, room) ? room
                                                  : std::min<std::size_t>(room, budget.room_of(connection_));
}

std::size_t StreamSet::write_copy(Stream& stream, std::span<const std::uint8_t> bytes, Fin fin) {
  const std::size_t taken = writable_bytes(stream, bytes.size());
  const std::size_t before = stream.send.size();
  try {
    stream.send.append_copy(bytes.first(taken));
  } catch (...) {
    // append_copy() has accepted a part of the bytes.
    note_buffered(stream, stream.send.size() - before);
    throw;
  }
  note_buffered(stream, taken);
  accept_fin(stream, fin, taken == bytes.size());
  return taken;
}

std::size_t StreamSet::write_shared(Stream& stream, std::shared_ptr<const void> owner,
                                    std::span<const std::uint8_t> bytes, Fin fin) {
  const std::size_t taken = writable_bytes(stream, bytes.size());
  stream.send.append_shared(std::move(owner), bytes.first(taken));
  note_buffered(stream, taken);
  accept_fin(stream, fin, taken == bytes.size());
  return taken;
}

void StreamSet::note_buffered(Stream& stream, std::size_t bytes) {
  buffered_bytes_ += bytes;
  environment_.send_budget.take(connection_, bytes, library_.now());
  environment_.counters.send_buffer_bytes.add(bytes);
  enqueue(stream);
}

void StreamSet::release_buffered(std::uint64_t bytes) {
  buffered_bytes_ -= bytes;
  environment_.send_budget.release(connection_, bytes);
  environment_.counters.send_buffer_bytes.sub(bytes);
}

void StreamSet::accept_fin(Stream& stream, Fin fin, bool is_all_taken) {
  if (!is_all_taken) {
    if (!stream.wants_writable && !stream.has_send_ended && !stream.is_closed_by_library) {
      waiting_for_room_.push_back(stream.id);
      stream.wants_writable = true;
      wait_for_budget(stream);
    }
    return;
  }
  if (fin == Fin::kYes && can_send(stream)) {
    stream.is_fin_queued = true;
    enqueue(stream);
  }
}

// Waits only if the worker's memory is short. At the stream's own limits, bytes of its connection are
// unacknowledged, and notify_writable() runs after their release.
void StreamSet::wait_for_budget(const Stream& stream) {
  SendBudget& budget = environment_.send_budget;
  const std::uint64_t enough = budget.notify_threshold(connection_);
  if (budget.room_of(connection_) < enough && own_room(stream, enough) >= enough) {
    budget.wait_for_room(connection_);
  }
}

// Streams that found no room go before notified streams that want more; otherwise one stream could take all
// room forever.
void StreamSet::report_room() {
  const std::size_t waiting = waiting_for_room_.size();  // on_stream_writable may write and add streams
  std::size_t kept = 0;
  for (std::size_t i = 0; i < waiting; ++i) {
    const std::int64_t id = waiting_for_room_[i];
    Stream* stream = find(id);
    if (stream == nullptr || !stream->wants_writable) {
      continue;
    }
    if (writable_bytes(*stream) < environment_.send_budget.notify_threshold(connection_)) {
      waiting_for_room_[kept++] = id;
      wait_for_budget(*stream);
      continue;
    }
    stream->wants_writable = false;
    environment_.observer.on_stream_writable(connection_, *stream);
  }
  const auto begin = waiting_for_room_.begin();
  waiting_for_room_.erase(begin + static_cast<std::ptrdiff_t>(kept),
                          begin + static_cast<std::ptrdiff_t>(waiting));
}

void StreamSet::enqueue(Stream& stream) {
  if (!stream.is_linked() && !stream.is_flow_blocked && stream.has_something_to_send()) {
    queue_of(stream).push_back(stream);
  }
  connection_.schedule();
}

Stream* StreamSet::next_to_send() {
  for (Queue& queue : send_queues_) {
    if (!queue.empty()) {
      return &queue.front();
    }
  }
  return nullptr;
}

void StreamSet::set_priority(Stream& stream, StreamPriority priority) {
  stream.urgency = std::min<std::uint8_t>(priority.urgency, Stream::kUrgencies - 1);
  stream.is_incremental = priority.is_incremental;
  if (stream.is_linked()) {
    stream.unlink();
    enqueue(stream);
  }
}

std::optional<ngtcp2_ssize> StreamSet::write(const PacketRoom& room) {
  while (Stream* const next = next_to_send()) {
    Stream& stream = *next;
    std::array<ngtcp2_vec, 16> vectors;
    const auto [count, offered] = stream.send.gather_unsent(vectors, room.bytes.size());
    const Fin offered_fin{stream.is_fin_queued && offered == stream.send.unsent()};
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize written =
        library_.write_stream(room, stream.id, std::span(vectors).first(count), offered_fin, taken);
    if (written == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
      if (library_.max_data_left() == 0) {
        return std::nullopt;  // the whole connection waits for MAX_DATA; the queue stays unchanged
      }
      set_flow_blocked(stream, true);
      stream.unlink();
    } else if (written == NGTCP2_ERR_STREAM_SHUT_WR || written == NGTCP2_ERR_STREAM_NOT_FOUND) {
      end_sending(stream);
    } else {
      if (taken >= 0) {
        note_written(stream, static_cast<std::size_t>(taken), offered, offered_fin);
      }
      if (written != NGTCP2_ERR_WRITE_MORE) {
        return written;
      }
    }
  }
  return std::nullopt;
}

void StreamSet::note_written(Stream& stream, std::size_t taken, std::size_t offered, Fin offered_fin) {
  stream.send.mark_sent(taken);
  sent_bytes_ += taken;
  const bool sent_fin = offered_fin == Fin::kYes && taken == offered;
  stream.is_fin_sent = stream.is_fin_sent || sent_fin;
  Queue& queue = queue_of(stream);
  assert(&queue.front() == &stream);  // because next_to_send() returned it
  if (!stream.has_something_to_send()) {
    stream.unlink();
  } else if (stream.is_incremental && &queue.back() != &stream) {
    queue.splice(queue.end(), queue, queue.begin());  // the next stream's turn
  }
  if (sent_fin) {
    environment_.observer.on_stream_fin_sent(connection_, stream);
  }
}

void StreamSet::end_sending(Stream& stream) {
  stream.has_send_ended = true;
  stream.wants_writable = false;
  set_flow_blocked(stream, false);
  if (stream.is_linked()) {
    stream.unlink();
  }
}

void StreamSet::handle_acknowledged(Stream& stream, std::uint64_t bytes) {
  stream.send.acknowledge(bytes);
  release_buffered(bytes);
  environment_.send_budget.note_progress(connection_, library_.now());
}

void StreamSet::handle_credit(Stream& stream) {
  set_flow_blocked(stream, false);
  enqueue(stream);
}

void StreamSet::set_flow_blocked(Stream& stream, bool is_blocked) {
  flow_blocked_ += is_blocked ? 1 : 0;
  flow_blocked_ -= stream.is_flow_blocked ? 1 : 0;
  stream.is_flow_blocked = is_blocked;
}

SendLimit StreamSet::limit() const {
  if (flow_blocked_ > 0) {
    return SendLimit::kStreamWindow;
  }
  if (!waiting_for_room_.empty()) {
    return SendLimit::kSendMemory;
  }
  return wants_stream_ ? SendLimit::kStreamLimit : SendLimit::kApplication;
}

}  // namespace knul::quic
