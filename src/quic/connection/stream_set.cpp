// How streams are created, receive and end.
#include "quic/connection/stream_set.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/make_room.hpp"
#include "quic/connection/connection.hpp"

namespace knul::quic {

StreamSet::StreamSet(const ConnectionEnvironment& environment, Connection& connection,
                     LibraryConnection& library)
    : environment_(environment),
      connection_(connection),
      library_(library),
      is_server_(connection.is_server()),
      allowance_(environment.transport),
      window_(environment, library.now()) {}

StreamSet::~StreamSet() {
  environment_.counters.streams_active.sub(streams_.size());
  release_buffered(buffered_bytes_);
}

Stream& StreamSet::add(std::int64_t id) {
  auto made = make_pooled<Stream>(environment_.blocks, id, library_.now(),
                                  environment_.transport.initial_max_stream_data_bytes, environment_.blocks);
  base::make_room(streams_);
  Stream& stream = *streams_.emplace(id, std::move(made)).first->second;
  connection_.note_used();
  environment_.counters.streams_active.add();
  count_opened(stream);
  if (!is_local(id) && allowance_.note_opened(id)) {
    grant_credit();
  }
  return stream;
}

void StreamSet::count_opened(const Stream& stream) {
  stats::WorkerCounters& counters = environment_.counters;
  if (is_bidirectional(stream.id)) {
    (is_local(stream.id) ? counters.streams_opened_bidi_local : counters.streams_opened_bidi_remote).add();
  } else {
    (is_local(stream.id) ? counters.streams_opened_uni_local : counters.streams_opened_uni_remote).add();
  }
}

base::Result<Stream*> StreamSet::open(StreamDirection direction) {
  if (connection_.has_ended()) {
    return base::Error{base::ErrorKind::kWrongState, "open_stream: the connection is closing"};
  }
  std::int64_t id = -1;
  const int result = library_.open_stream(direction, id);
  wants_stream_ = result == NGTCP2_ERR_STREAM_ID_BLOCKED;
  if (wants_stream_) {
    return base::Error{base::ErrorKind::kConcurrencyLimit, "open_stream: the peer's stream limit is reached"};
  }
  if (result != 0) {
    return base::Error{base::ErrorKind::kOutOfMemory, std::string("open_stream: ") + ngtcp2_strerror(result)};
  }
  Stream& stream = add(id);
  stream.has_receive_ended = direction == StreamDirection::kUnidirectional;
  library_.set_stream_user_data(id, &stream);
  return &stream;
}

Stream* StreamSet::find(std::int64_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void StreamSet::consume(Stream& stream, std::uint64_t bytes) {
  bytes = std::min(bytes, stream.received_bytes - stream.consumed_bytes);
  // No bytes: also prevents a second on_stream_closed when that callback consumes. After the end of the
  // connection, on_closed must find every stream that it was not told of.
  if (bytes == 0 || connection_.has_ended()) {
    return;
  }
  stream.consumed_bytes += bytes;
  return_credit(stream, bytes);
  if (stream.is_finished()) {
    finish(stream);
  }
}

void StreamSet::release(Stream& stream) {
  if (std::exchange(stream.is_retained, false) && stream.is_finished() && !connection_.has_ended()) {
    finish(stream);
  }
}

void StreamSet::return_credit(Stream& stream, std::uint64_t bytes) {
  if (window_.consume(bytes)) {
    library_.extend_max_data(window_.take_credit(library_.now(), library_.transport_state().smoothed_rtt));
    connection_.schedule();
  }
  if (!stream.has_receive_ended && !stream.is_closed_by_library && stream.window.consume(bytes)) {
    // A stream cannot use a larger window than its connection's.
    const std::uint64_t most = std::min(environment_.transport.max_stream_window_bytes, window_.bytes());
    library_.extend_max_stream_data(
        stream.id,
        stream.window.take_credit({library_.now(), library_.transport_state().smoothed_rtt, most}));
    connection_.schedule();
  }
}

void StreamSet::end_receiving(Stream& stream) {
  stream.has_receive_ended = true;
  consume(stream, stream.received_bytes - stream.consumed_bytes);
}

void StreamSet::stop_sending(Stream& stream, std::uint64_t code) {
  if (stream.has_receive_ended || stream.is_closed_by_library || connection_.has_ended()) {
    return;
  }
  end_receiving(stream);
  deferred_.push_back({Deferred::Kind::kStopSending, stream.id, code});
  connection_.schedule();
}

void StreamSet::reset(Stream& stream, std::uint64_t code) {
  if (!can_send(stream) || connection_.has_ended()) {
    return;
  }
  end_sending(stream);
  deferred_.push_back({Deferred::Kind::kReset, stream.id, code});
  connection_.schedule();
}

int StreamSet::run_deferred() {
  int result = 0;
  for (std::size_t i = 0; i < deferred_.size() && result == 0; ++i) {
    const Deferred request = deferred_[i];
    if (request.kind == Deferred::Kind::kReset) {
      connection_.note_reset();
    }
    result = request.kind == Deferred::Kind::kReset ? library_.reset_stream(request.stream_id, request.code)
                                                    : library_.stop_sending(request.stream_id, request.code);
  }
  deferred_.clear();
  return result;
}

void StreamSet::handle_reset(Stream& stream, std::uint64_t code) {
  environment_.counters.streams_reset_received.add();
  const bool is_unseen = !is_bidirectional(stream.id) && stream.received_bytes == 0;
  const bool had_ended = stream.has_receive_ended;
  end_receiving(stream);
  if (!had_ended) {
    environment_.observer.on_stream_reset(connection_, stream, code);
  }
  if (is_unseen) {
    close_unseen(stream);
  }
}

void StreamSet::handle_all_stops(std::vector<StopSending>& stops) {
  for (std::size_t i = 0; i < stops.size() && !connection_.has_ended(); ++i) {
    handle_stop_sending(stops[i]);
  }
  stops.clear();
}

void StreamSet::handle_stop_sending(const StopSending& frame) {
  environment_.counters.stop_sending_received.add();
  Stream* stream = find(frame.stream_id);
  if (stream == nullptr || stream->has_send_ended || stream->is_closed_by_library) {
    return;
  }
  end_sending(*stream);
  environment_.observer.on_stop_sending(connection_, *stream, frame.code);
}

void StreamSet::handle_closed(Stream& stream) {
  stream.is_closed_by_library = true;
  end_sending(stream);
  if (const std::uint64_t unsent = stream.send.size(); unsent > 0) {
    release_buffered(unsent);
  }
  stream.send.clear();
  if (connection_.may_have_lost()) {
    connection_.count_losses(library_.stream_loss_count(stream.id));
  }
  if (stream.is_finished()) {
    finish(stream);
  }
}

// The library (ngtcp2 1.11) never closes a unidirectional stream whose RESET_STREAM arrived before any of its
// data. It keeps some 200 bytes for each until the connection ends, so has_too_many_unseen() bounds them.
void StreamSet::close_unseen(Stream& stream) {
  ++unseen_;
  library_.set_stream_user_data(stream.id, nullptr);
  handle_closed(stream);
}

void StreamSet::finish(Stream& stream) {
  environment_.observer.on_stream_closed(connection_, stream);
  const std::int64_t id = stream.id;
  const bool is_clean = stream.is_clean;
  streams_.erase(id);
  environment_.counters.streams_active.sub();
  if (!is_local(id) && allowance_.note_finished(id, is_clean, library_.now())) {
    grant_credit();
  }
}

void StreamSet::grant_credit() {
  if (!connection_.has_ended()) {
    allowance_.grant(library_);
    connection_.schedule();
  }
}

void StreamSet::free_spare_memory() {
  streams_ = {};
  deferred_ = {};
  waiting_for_room_ = {};
}

}  // namespace knul::quic
