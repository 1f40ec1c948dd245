// Streams of a connection: what the layer above may do, and the accounting behind it.
#include "quic/connection/connection.hpp"

#include <algorithm>
#include <utility>

#include "base/make_room.hpp"

namespace knul::quic {
namespace {

// For stream credit that no packet came by for.
constexpr base::Duration kLongestCreditDelay = std::chrono::seconds(1);

}  // namespace

Stream& Connection::add_stream(std::int64_t id) {
  auto made = make_pooled<Stream>(environment_.blocks, id, last_now_,
                                  environment_.transport.initial_max_stream_data_bytes, environment_.blocks);
  base::make_room(streams_);
  Stream& stream = *streams_.emplace(id, std::move(made)).first->second;
  recent_stream_ = &stream;
  has_been_used_ = true;
  environment_.counters.streams_active.add();
  count_opened(stream);
  if (is_opened_by_server(id) != is_server_ && credit_of(id).note_opened(id)) {
    give_stream_credit();
    schedule();
  }
  return stream;
}

// From write() as well: beside stream data the frame costs no packet.
void Connection::give_stream_credit() {
  stream_credit_due_at_ = base::kNever;
  if (is_credit_frozen_ || is_over()) {
    return;
  }
  if (const std::uint64_t count = credit_bidi_.take(); count > 0) {
    may_hold_frames_ = true;
    ngtcp2_conn_extend_max_streams_bidi(conn(), count);
  }
  if (const std::uint64_t count = credit_uni_.take(); count > 0) {
    may_hold_frames_ = true;
    ngtcp2_conn_extend_max_streams_uni(conn(), count);
  }
}

void Connection::count_opened(const Stream& stream) {
  stats::WorkerCounters& counters = environment_.counters;
  const bool is_local = is_opened_by_server(stream.id) == is_server_;
  if (is_bidirectional(stream.id)) {
    (is_local ? counters.streams_opened_bidi_local : counters.streams_opened_bidi_remote).add();
  } else {
    (is_local ? counters.streams_opened_uni_local : counters.streams_opened_uni_remote).add();
  }
}

base::Result<Stream*> Connection::open_stream(bool is_bidi) {
  if (is_over()) {
    return base::Error{base::ErrorKind::kWrongState, "open_stream: the connection is closing"};
  }
  std::int64_t id = -1;
  const int result = is_bidi ? ngtcp2_conn_open_bidi_stream(conn(), &id, nullptr)
                             : ngtcp2_conn_open_uni_stream(conn(), &id, nullptr);
  if (result == NGTCP2_ERR_STREAM_ID_BLOCKED) {
    return base::Error{base::ErrorKind::kConcurrencyLimit,
                       "open_stream: the peer allows no more streams at present"};
  }
  if (result != 0) {
    return base::Error{base::ErrorKind::kOutOfMemory, std::string("open_stream: ") + ngtcp2_strerror(result)};
  }
  Stream& stream = add_stream(id);
  stream.is_receive_over = !is_bidi;
  ngtcp2_conn_set_stream_user_data(conn(), id, &stream);
  return &stream;
}

Stream* Connection::find_stream(std::int64_t id) {
  if (recent_stream_ == nullptr || recent_stream_->id != id) {
    const auto found = streams_.find(id);
    recent_stream_ = found == streams_.end() ? nullptr : found->second.get();
  }
  return recent_stream_;
}

// Before an acknowledgement is read, when the most is on its way. The part of the round trip that is spent in
// queues is left out: to send more ahead would make only them longer.
void Connection::note_path_capacity() {
  const TransportState state = transport_state();
  if (state.smoothed_rtt > base::Duration::zero()) {
    const double bytes = static_cast<double>(state.in_flight_bytes) *
                         static_cast<double>(state.min_rtt.count()) /
                         static_cast<double>(state.smoothed_rtt.count());
    path_capacity_bytes_ = std::max(path_capacity_bytes_, static_cast<std::uint64_t>(bytes));
  }
}

// Twice what the path holds, so that it is full while one round trip's acknowledgements are awaited. The
// congestion window alone says less: on a path that loses nothing it has no end.
std::uint64_t Connection::grown_stream_limit() const {
  if (2 * path_capacity_bytes_ <= environment_.transport.stream_send_buffer_bytes) {
    return 0;
  }
  return std::min({environment_.transport.max_stream_send_buffer_bytes, 2 * path_capacity_bytes_,
                   2 * transport_state().congestion_window_bytes});
}

// What the limits of the stream and of its connection leave for a write of `wanted_bytes`.
std::uint64_t Connection::own_room(const Stream& stream, std::size_t wanted_bytes) const {
  const bool can_send = is_bidirectional(stream.id) || is_opened_by_server(stream.id) == is_server_;
  if (is_over() || !can_send || stream.is_send_over || stream.is_fin_queued || stream.is_closed_below) {
    return 0;
  }
  const auto left = [](std::uint64_t limit, std::uint64_t used) { return limit > used ? limit - used : 0; };
  const TransportOptions& options = environment_.transport;
  std::uint64_t room = left(options.stream_send_buffer_bytes, stream.send.size());
  if (wanted_bytes > room) {
    // A quarter of the connection's memory and half of the server's are for what streams have at first, so
    // that those that have grown leave room to those that begin.
    room = std::max(room, std::min({left(grown_stream_limit(), stream.send.size()),
                                    left(options.connection_send_buffer_bytes / 4 * 3, buffered_bytes()),
                                    environment_.send_budget.room_to_grow()}));
  }
  return std::min(room, left(options.connection_send_buffer_bytes, buffered_bytes()));
}

std::size_t Connection::writable_bytes(const Stream& stream, std::size_t wanted_bytes) const {
  const std::size_t room = std::min<std::size_t>(own_room(stream, wanted_bytes), wanted_bytes);
  const SendBudget& budget = environment_.send_budget;
  return budget.has_plenty_for(*this, room) ? room : std::min<std::size_t>(room, budget.room_of(*this));
}

std::size_t Connection::write_copy(Stream& stream, std::span<const std::uint8_t> bytes, bool is_fin) {
  const std::size_t taken = writable_bytes(stream, bytes.size());
  const std::size_t before = stream.send.size();
  try {
    stream.send.append_copy(bytes.first(taken));
  } catch (...) {
    note_buffered(stream, stream.send.size() - before);
    throw;
  }
  note_buffered(stream, taken);
  accept_fin(stream, is_fin, taken == bytes.size());
  return taken;
}

std::size_t Connection::write_shared(Stream& stream, std::shared_ptr<const void> owner,
                                     std::span<const std::uint8_t> bytes, bool is_fin) {
  const std::size_t taken = writable_bytes(stream, bytes.size());
  stream.send.append_shared(std::move(owner), bytes.first(taken));
  note_buffered(stream, taken);
  accept_fin(stream, is_fin, taken == bytes.size());
  return taken;
}

void Connection::note_buffered(Stream& stream, std::size_t bytes) {
  environment_.send_budget.take(*this, bytes, last_now_);
  environment_.counters.send_buffer_bytes.add(bytes);
  enqueue(stream);
}

void Connection::release_buffered(std::size_t bytes) {
  environment_.send_budget.release(*this, bytes);
  environment_.counters.send_buffer_bytes.sub(bytes);
}

void Connection::accept_fin(Stream& stream, bool is_fin, bool is_all_taken) {
  if (!is_all_taken) {
    if (!stream.wants_writable && !stream.is_send_over && !stream.is_closed_below) {
      waiting_for_room_.push_back(stream.id);
      stream.wants_writable = true;
      wait_for_budget(stream);
    }
    return;
  }
  const bool can_send = is_bidirectional(stream.id) || is_opened_by_server(stream.id) == is_server_;
  if (is_fin && can_send && !stream.is_send_over && !stream.is_closed_below) {
    stream.is_fin_queued = true;
    enqueue(stream);
  }
}

// Where the worker's memory is what `stream` waits for. Its own limits are reached only with bytes of its
// connection, and when these are released notify_writable() comes by here again.
void Connection::wait_for_budget(const Stream& stream) {
  SendBudget& budget = environment_.send_budget;
  const std::uint64_t enough = budget.enough_for(*this);
  if (budget.room_of(*this) < enough && own_room(stream, enough) >= enough) {
    budget.wait(*this);
  }
}

void Connection::tell_of_room() {
  told_of_room_.clear();
  told_of_room_.swap(waiting_for_room_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < told_of_room_.size(); ++i) {
    const std::int64_t id = told_of_room_[i];
    Stream* stream = find_stream(id);
    if (stream == nullptr || !stream->wants_writable) {
      continue;
    }
    if (writable_bytes(*stream) < environment_.send_budget.enough_for(*this)) {
      told_of_room_[kept++] = id;
      wait_for_budget(*stream);
      continue;
    }
    stream->wants_writable = false;
    environment_.observer.on_stream_writable(*this, *stream);
  }
  // Who found none comes before who was told and wants more, or one stream could take all room for ever.
  told_of_room_.resize(kept);
  told_of_room_.insert(told_of_room_.end(), waiting_for_room_.begin(), waiting_for_room_.end());
  told_of_room_.swap(waiting_for_room_);
}

void Connection::schedule() {
  if (!is_linked()) {
    environment_.host.schedule(*this);
  }
}

void Connection::enqueue(Stream& stream) {
  if (!stream.is_linked() && !stream.is_flow_blocked && stream.has_something_to_send()) {
    queue_of(stream).push_back(stream);
  }
  schedule();
}

Stream* Connection::next_to_send() {
  for (StreamQueue& queue : send_queues_) {
    if (!queue.empty()) {
      return &queue.front();
    }
  }
  return nullptr;
}

void Connection::set_priority(Stream& stream, std::uint8_t urgency, bool is_incremental) {
  stream.urgency = std::min<std::uint8_t>(urgency, Stream::kUrgencies - 1);
  stream.is_incremental = is_incremental;
  if (stream.is_linked()) {
    stream.unlink();
    enqueue(stream);
  }
}

void Connection::consume(Stream& stream, std::uint64_t bytes) {
  bytes = std::min(bytes, stream.received_bytes - stream.consumed_bytes);
  if (bytes == 0) {
    return;  // also from within on_stream_closed, which must not come twice
  }
  stream.consumed_bytes += bytes;
  return_credit(stream, bytes);
  if (stream.is_finished()) {
    finish_stream(stream);
  }
}

void Connection::release_stream(Stream& stream) {
  if (std::exchange(stream.is_retained, false) && stream.is_finished()) {
    finish_stream(stream);
  }
}

void Connection::return_credit(Stream& stream, std::uint64_t bytes) {
  if (is_over()) {
    return;
  }
  if (window_.consume(bytes)) {
    ngtcp2_conn_extend_max_offset(conn(), take_connection_credit());
    may_hold_frames_ = true;
    schedule();
  }
  if (!stream.is_receive_over && !stream.is_closed_below && stream.window.consume(bytes)) {
    // More than its connection's would be of no use to a stream.
    const std::uint64_t most = std::min(environment_.transport.max_stream_window_bytes, window_.bytes());
    const std::uint64_t credit = stream.window.take_credit({last_now_, transport_state().smoothed_rtt, most});
    // A stream that the library has dropped meanwhile needs no credit, so the result does not matter.
    ngtcp2_conn_extend_max_stream_offset(conn(), stream.id, credit);
    schedule();
  }
}

std::uint64_t Connection::take_connection_credit() {
  const std::uint64_t before = window_.bytes();
  const std::uint64_t limit = std::max(environment_.transport.max_window_bytes, before);
  const std::uint64_t of_source = source_.get() == nullptr ? 0 : source_->receive_granted_bytes;
  const ReceiveBudget::Share share =
      environment_.receive_budget.share_of(window_.beyond_initial_bytes(), of_source);
  const std::uint64_t credit = window_.take_credit(
      {last_now_, transport_state().smoothed_rtt, before + std::min(limit - before, share.room_bytes),
       environment_.receive_budget.is_short(), share.is_exceeded});
  note_window_growth(window_.bytes() - before);
  return credit;
}

// Modulo 2^64: a window that has become smaller takes off.
void Connection::note_window_growth(std::uint64_t bytes) {
  environment_.receive_budget.granted_bytes += bytes;
  environment_.counters.receive_window_granted_bytes.add(bytes);
  if (source_.get() != nullptr) {
    source_->receive_granted_bytes += bytes;
  }
}

void Connection::end_receiving(Stream& stream) {
  stream.is_receive_over = true;
  consume(stream, stream.received_bytes - stream.consumed_bytes);
}

void Connection::reset_stream(Stream& stream, std::uint64_t code) {
  const bool can_send = is_bidirectional(stream.id) || is_opened_by_server(stream.id) == is_server_;
  if (stream.is_send_over || stream.is_closed_below || !can_send || is_over()) {
    return;
  }
  end_sending(stream);
  environment_.counters.streams_reset_sent.add();
  stream_orders_.push_back({StreamOrder::Kind::kReset, stream.id, code});
  schedule();
}

void Connection::end_sending(Stream& stream) {
  stream.is_send_over = true;
  stream.wants_writable = false;
  if (stream.is_linked()) {
    stream.unlink();
  }
}

void Connection::stop_sending(Stream& stream, std::uint64_t code) {
  if (stream.is_receive_over || stream.is_closed_below || is_over()) {
    return;
  }
  end_receiving(stream);
  stream_orders_.push_back({StreamOrder::Kind::kStopSending, stream.id, code});
  schedule();
}

void Connection::handle_stop_sending(const StopSending& frame) {
  environment_.counters.stop_sending_received.add();
  Stream* stream = find_stream(frame.stream_id);
  if (stream == nullptr || stream->is_send_over || stream->is_closed_below) {
    return;
  }
  // RFC 9000 §3.5: the library answers with RESET_STREAM, unless everything has been acknowledged.
  if (!stream->is_fin_sent || stream->send.size() > 0) {
    environment_.counters.streams_reset_sent.add();
  }
  end_sending(*stream);
  environment_.observer.on_stop_sending(*this, *stream, frame.code);
}

void Connection::handle_closed_below(Stream& stream) {
  stream.is_closed_below = true;
  end_sending(stream);
  if (const std::uint64_t unsent = stream.send.size(); unsent > 0) {
    release_buffered(unsent);
  }
  stream.send.clear();
  environment_.counters.packets_lost.add(ngtcp2_conn_get_stream_loss_count(conn(), stream.id));
  if (stream.is_finished()) {
    finish_stream(stream);
  }
}

// The library (ngtcp2 1.11) never closes a unidirectional stream of which it saw nothing before RESET_STREAM.
// It keeps some 200 bytes for each until the connection ends, so there is an end to them, see read().
void Connection::close_unseen_stream(Stream& stream) {
  ++streams_closed_early_;
  ngtcp2_conn_set_stream_user_data(conn(), stream.id, nullptr);
  handle_closed_below(stream);
}

void Connection::finish_stream(Stream& stream) {
  environment_.observer.on_stream_closed(*this, stream);
  const std::int64_t id = stream.id;
  const bool is_clean = stream.is_clean;
  if (recent_stream_ == &stream) {
    recent_stream_ = nullptr;
  }
  streams_.erase(id);
  environment_.counters.streams_active.sub();
  if (is_opened_by_server(id) == is_server_) {
    return;
  }
  // A peer that gave a stream up may be about to open many. Some also return the credit of the data that they
  // do not want only when a packet comes.
  if (credit_of(id).note_finished() || !is_clean) {
    give_stream_credit();
    schedule();
  } else if (stream_credit_due_at_ == base::kNever && !is_credit_frozen_) {
    stream_credit_due_at_ = last_now_ + kLongestCreditDelay;
  }
}

}  // namespace knul::quic
