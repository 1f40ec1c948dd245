// Streams of a channel: how the peer or the program opens them, and how they end.
#include "channel/worker_part.hpp"

namespace knul::channel {

void WorkerPart::open_stream(ConnectionState& state, krepis::Stream& opened) {
  Entry* const entry = events_.is_overloaded() ? nullptr : core_.table.allocate(index_);
  if (entry == nullptr) {
    state.connection->close(KREPIS_CODE_OVERLOADED, "the channel has no room for more streams");
    return;
  }
  StreamState& stream = states_.add_stream(*entry);
  stream.connection = &state;
  stream.is_announced = false;
  stream.is_retained = true;
  const bool is_unidirectional = opened.direction() == krepis::StreamDirection::kUnidirectional;
  stream.is_send_closed = is_unidirectional;
  entry->worker.store(index_, std::memory_order_relaxed);
  entry->connection.store(state.handle, std::memory_order_relaxed);
  entry->stream_id.store(opened.id(), std::memory_order_relaxed);
  entry->add(Entry::kIsStream | Entry::kIsOpenedByPeer | Entry::kCanReceive |
             (is_unidirectional ? Entry::kIsUnidirectional : Entry::kCanSend));
  stream.handle = core_.table.publish(*entry);
  link(stream, opened);
  opened.retain();
  core_.streams.fetch_add(1, std::memory_order_relaxed);
}

void WorkerPart::link(StreamState& state, krepis::Stream& stream) {
  state.stream = &stream;
  state.connection->streams.push_back(state);
  stream.set_user(&state);
}

void WorkerPart::open_for_program(const Command& command) {
  Entry* const entry = core_.table.find(command.handle);
  if (entry == nullptr) {
    return;
  }
  core_.streams.fetch_add(1, std::memory_order_relaxed);
  StreamState& stream = states_.add_stream(*entry);
  stream.handle = command.handle;
  stream.connection = states_.find_connection(entry->connection.load(std::memory_order_relaxed));
  stream.is_receive_closed = command.is_set;
  if (stream.connection == nullptr || stream.connection->connection == nullptr) {
    end_stream(stream);  // CONNECTION_CLOSED also reports the end of its streams
    return;
  }
  if (!try_open(stream)) {
    stream.connection->waiting.push_back(&stream);
  }
}

bool WorkerPart::try_open(StreamState& stream) {
  using Direction = krepis::StreamDirection;
  ConnectionState& state = *stream.connection;
  const auto opened = state.connection->open_stream(
      stream.entry->has(Entry::kIsUnidirectional) ? Direction::kUnidirectional : Direction::kBidirectional);
  if (!opened) {
    return false;
  }
  link(stream, **opened);
  state.entry->waiting_opens.fetch_sub(1, std::memory_order_relaxed);
  stream.entry->stream_id.store((*opened)->id(), std::memory_order_relaxed);
  begin_stream(stream);
  return true;
}

void WorkerPart::begin_stream(StreamState& stream) {
  events_.push(stream, events_.make(KREPIS_EVENT_STREAM_OPENED, stream));
  stream.stream->set_priority(stream.priority);
  sending_.flush(stream);
  if (stream.stop_code) {
    receiving_.stop(stream, *stream.stop_code);
  }
}

void WorkerPart::handle_streams_available(ConnectionState& state) {
  bool is_used_up[2] = {};  // by direction
  std::erase_if(state.waiting, [&](StreamState* stream) {
    bool& is_direction_used_up = is_used_up[stream->entry->has(Entry::kIsUnidirectional) ? 1 : 0];
    // An earlier call may have opened the stream and then thrown std::bad_alloc. It may have ended since.
    const bool is_opened =
        stream->is_closed || stream->is_linked() || (!is_direction_used_up && try_open(*stream));
    is_direction_used_up = !is_opened;
    return is_opened;
  });
}

// The engine does not know the stream yet, so the worker ends it at once.
void WorkerPart::abandon_waiting(StreamState& stream) {
  if (std::erase(stream.connection->waiting, &stream) > 0) {
    stream.connection->entry->waiting_opens.fetch_sub(1, std::memory_order_relaxed);
  }
  stream.is_clean = false;
  handle_closed(stream);
}

void WorkerPart::handle_closed(StreamState& stream) {
  FfiEvent event = events_.make(KREPIS_EVENT_STREAM_CLOSED, stream);
  event.flags = stream.is_clean ? KREPIS_FLAG_CLEAN : 0;
  stream.stream = nullptr;  // first, because the engine destroys it even if the event finds no memory
  events_.push(stream, event);
  end_stream(stream);
}

void WorkerPart::end_stream(StreamState& stream) {
  if (std::exchange(stream.is_closed, true)) {
    return;
  }
  if (stream.is_linked()) {  // first, so that close_connection cannot find it twice
    stream.unlink();
  }
  receiving_.end(stream);
  sending_.end(stream);
  stream.entry->add(Entry::kHasEnded);
  states_.free_when_read(stream.handle);
  core_.streams.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace knul::channel
