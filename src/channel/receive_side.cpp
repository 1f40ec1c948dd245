#include "channel/receive_side.hpp"

#include <algorithm>
#include <utility>

namespace knul::channel {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

ArenaPart part_of(Core& core, unsigned index) {
  const auto blocks = static_cast<std::uint32_t>(core.layout.blocks_per_worker);
  return {core.arena(), core.owners(), index * blocks, blocks};
}

}  // namespace

ReceiveSide::ReceiveSide(Core& core, unsigned index, EventWriter& events, StateTable& states)
    : core_(core),
      events_(events),
      states_(states),
      arena_(part_of(core, index)),
      parked_(states, core.parked_bytes, kMostParkedBytes / core.workers()) {}

void ReceiveSide::receive(StreamState& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  if (stream.is_receive_closed) {
    return;
  }
  const std::size_t placed = stream.parked_bytes() > 0 ? 0 : place(stream, bytes);
  if (placed < bytes.size()) {
    parked_.add(stream, bytes.subspan(placed));
  }
  if (fin == krepis::Fin::kNo || stream.is_receive_closed) {  // parked_.add may have closed the connection
    return;
  }
  if (stream.parked_bytes() > 0) {
    stream.is_fin_parked = true;
  } else {
    finish(stream);
  }
}

std::size_t ReceiveSide::place(StreamState& stream, std::span<const std::uint8_t> bytes) {
  std::size_t placed = 0;
  while (placed < bytes.size()) {
    const std::span<const std::uint8_t> rest = bytes.subspan(placed);
    if (const std::size_t added = extend_last(stream, rest); added > 0) {
      placed += added;
      continue;
    }
    const ReceiveArena::Placed range = arena_.add(stream, rest);
    if (range.length == 0) {
      break;
    }
    FfiEvent event = events_.make(KREPIS_EVENT_STREAM_DATA, stream);
    event.offset = range.offset;
    event.length = range.length;
    stream.last_data = events_.push(stream, event);
    ReceiveArena::count(stream, range);
    placed += range.length;
  }
  return placed;
}

// Adds bytes to the stream's last event. Returns the number of bytes added.
std::size_t ReceiveSide::extend_last(StreamState& stream, std::span<const std::uint8_t> bytes) {
  FfiEvent* const last = find_last_data(stream);
  if (last == nullptr) {
    return 0;
  }
  const std::size_t added = arena_.extend(stream, {last->offset, last->length}, bytes);
  last->length += static_cast<std::uint32_t>(added);
  return added;
}

FfiEvent* ReceiveSide::find_last_data(const StreamState& stream) {
  FfiEvent* const last = stream.last_data ? events_.find_unpublished(*stream.last_data) : nullptr;
  // Event numbers repeat after 2^32 events, so the number may name another event.
  return last != nullptr && last->stream == stream.handle && last->type == KREPIS_EVENT_STREAM_DATA ? last
                                                                                                    : nullptr;
}

// The peer gets credit for another stream after the program has read the end of this one.
void ReceiveSide::finish(StreamState& stream) {
  stream.is_receive_closed = true;
  if (FfiEvent* last = find_last_data(stream)) {
    last->flags |= KREPIS_FLAG_FIN;
  } else {
    FfiEvent event = events_.make(KREPIS_EVENT_STREAM_DATA, stream);
    event.flags = KREPIS_FLAG_FIN;
    events_.push(stream, event);
  }
  states_.release_when_read(stream);
}

void ReceiveSide::handle_reset(StreamState& stream, std::uint64_t code) {
  parked_.drop(stream);
  stream.is_receive_closed = true;
  stream.is_clean = false;
  FfiEvent event = events_.make(KREPIS_EVENT_STREAM_RESET, stream);
  event.code = code;
  events_.push(stream, event);
  states_.release_when_read(stream);
}

void ReceiveSide::stop(StreamState& stream, std::uint64_t code) {
  if (stream.stream == nullptr) {
    stream.stop_code = code;
    return;
  }
  if (stream.is_receive_closed && !stream.is_fin_parked) {
    return;
  }
  parked_.drop(stream);
  stream.is_receive_closed = true;
  stream.is_clean = false;
  krepis::Stream& stopped = *stream.stream;
  stopped.stop_sending(code);
  // The program ended this direction itself, so the release does not wait until it has read an event.
  if (std::exchange(stream.is_retained, false)) {
    stopped.release();
  }
}

void ReceiveSide::end(StreamState& stream) {
  parked_.drop(stream);
  arena_.close(stream);
}

void ReceiveSide::receive_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes) {
  FfiEvent event = events_.make(KREPIS_EVENT_DATAGRAM, state.handle);
  if (!has_room_for_datagram(state, bytes.size()) || (!bytes.empty() && !arena_.put(state, event, bytes))) {
    core_.datagrams_dropped.fetch_add(1, std::memory_order_relaxed);
    state.connection->drop_datagram();
    return;
  }
  events_.push(event);
  events_.refresh_facts(state);
}

// An empty datagram uses no arena bytes. So the number of waiting events limits empty datagrams.
bool ReceiveSide::has_room_for_datagram(const ConnectionState& state, std::size_t bytes) {
  const bool has_room =
      bytes == 0 ? events_.backlog() < core_.layout.ring_records : arena_.may_hold_datagram(state);
  return has_room && arena_.may_hold_more(state);
}

void ReceiveSide::put_identity(ConnectionState& state, FfiEvent& event, std::string_view identity) {
  arena_.put_identity(state, event, bytes_of(identity));
}

void ReceiveSide::put_reason(ConnectionState& state, FfiEvent& event, std::string_view reason) {
  arena_.put(state, event, bytes_of(reason));
}

void ReceiveSide::release(std::uint32_t offset) {
  const ArenaPart::Released range = arena_.release(offset);
  has_released_ = true;
  if (range.length == 0) {
    return;
  }
  if (StreamState* stream = states_.find_stream(range.handle)) {
    release(*stream, range);
  } else if (ConnectionState* state = states_.find_connection(range.handle)) {
    arena_.count_released(*state, offset, range);
    states_.free_if_released(*state);
  }
}

void ReceiveSide::release(StreamState& stream, const ArenaPart::Released& range) {
  ConnectionState& state = *stream.connection;
  arena_.count_released(stream, range);
  states_.free_if_released(stream);
  states_.free_if_released(state);
  if (stream.stream != nullptr) {
    stream.stream->consume(range.length);
  }
}

void ReceiveSide::unpark_all() {
  bool has_progress = std::exchange(has_released_, false);
  while (has_progress) {
    has_progress = false;
    for (std::size_t left = parked_.queue_length(); left > 0; --left) {
      if (StreamState* const stream = parked_.take_turn()) {
        has_progress = unpark(*stream) || has_progress;
        parked_.queue(*stream);
      }
    }
  }
}

// Moves at most one block of bytes, so that all streams get their turn. True: bytes were moved.
bool ReceiveSide::unpark(StreamState& stream) {
  const std::span<const std::uint8_t> parked = std::span(stream.parked).subspan(stream.parked_from);
  const std::size_t placed = place(stream, parked.first(std::min(parked.size(), kBlockBytes)));
  parked_.remove(stream, placed);
  if (stream.parked_bytes() == 0) {
    const bool is_fin = stream.is_fin_parked;
    parked_.drop(stream);
    if (is_fin) {
      finish(stream);
    }
  }
  return placed > 0;
}

}  // namespace knul::channel
