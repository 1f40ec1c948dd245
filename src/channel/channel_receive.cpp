// Received bytes: from the engine into the arena, or parked where the arena has no room for them.
//
// Small payloads of many streams share one block. A stream that lags, which is one whose bytes the program
// holds for long, gets blocks of its own, so that it pins those and not everybody's. What one connection may
// hold is half of what is free, where such blocks count whole: however many lag, there is always something
// left for the others. Weak case: a few bytes in a shared block keep all of it, and count as a few bytes.
#include <algorithm>
#include <functional>

#include "base/fair_share.hpp"
#include "base/make_room.hpp"
#include "channel/channel_worker.hpp"

namespace knul::channel {
namespace {

constexpr std::uint32_t kLaggingRanges = 4;
constexpr std::uint64_t kLaggingBytes = 8 << 10;
// Less room than this in the shared block is not worth an event, as long as there are free blocks.
constexpr std::size_t kWorthwhileBytes = 512;

}  // namespace

void ChannelWorker::open_stream(ConnectionState& state, krepis::StreamId id) {
  base::make_room(state.streams);
  Entry* const entry = events_.is_overloaded() ? nullptr : core_.table.allocate(index_);
  if (entry == nullptr) {
    state.connection->close(KREPIS_CODE_OVERLOADED, "the channel has no room for more streams");
    return;
  }
  StreamState& stream = states_.add_stream(*entry);
  stream.connection = &state;
  stream.id = id;
  stream.is_announced = false;
  stream.is_retained = true;
  const bool is_unidirectional = (id & 2) != 0;
  stream.is_send_over = is_unidirectional;
  entry->worker.store(index_, std::memory_order_relaxed);
  entry->connection.store(state.handle, std::memory_order_relaxed);
  entry->stream_id.store(id, std::memory_order_relaxed);
  entry->add(Entry::kIsStream | Entry::kIsOpenedByPeer | Entry::kCanReceive |
             (is_unidirectional ? Entry::kIsUnidirectional : Entry::kCanSend));
  stream.handle = core_.table.publish(*entry);
  state.streams.emplace(id, &stream);
  state.connection->retain_stream(id);
  core_.streams.fetch_add(1, std::memory_order_relaxed);
}

void ChannelWorker::receive(StreamState& stream, std::span<const std::uint8_t> bytes, bool is_fin) {
  if (stream.is_receive_over) {
    return;
  }
  const std::size_t placed = stream.parked_bytes() > 0 ? 0 : place(stream, bytes);
  if (placed < bytes.size()) {
    park(stream, bytes.subspan(placed));
  }
  if (!is_fin || stream.is_receive_over) {  // the second: its connection was closed for what is parked
    return;
  }
  if (stream.parked_bytes() > 0) {
    stream.is_fin_parked = true;
  } else {
    finish_receiving(stream);
  }
}

std::size_t ChannelWorker::place(StreamState& stream, std::span<const std::uint8_t> bytes) {
  std::size_t placed = 0;
  while (placed < bytes.size()) {
    const std::span<const std::uint8_t> rest = bytes.subspan(placed);
    if (const std::size_t added = extend_last(stream, rest); added > 0) {
      placed += added;
      continue;
    }
    Fill* const fill = choose_fill(stream, rest.size());
    if (fill == nullptr) {
      break;
    }
    const ArenaPart::Placed range = arena_.add_range(*fill, stream.handle, rest);
    FfiEvent event = events_.make(KREPIS_EVENT_STREAM_DATA, stream);
    event.offset = range.offset;
    event.length = range.length;
    stream.last_data = events_.push(stream, event);
    ++stream.unreleased_ranges;
    note_range(stream, *fill, range.length);
    placed += range.length;
  }
  return placed;
}

// Adds to the stream's last event; the bytes taken.
std::size_t ChannelWorker::extend_last(StreamState& stream, std::span<const std::uint8_t> bytes) {
  FfiEvent* const last = find_last_data(stream);
  if (last == nullptr) {
    return 0;
  }
  const ArenaPart::Placed range{last->offset, last->length};
  const Fill* fill = &stream.own_fill;
  std::size_t added = arena_.extend_range(stream.own_fill, range, bytes);
  if (added == 0 && may_hold_more(*stream.connection)) {
    fill = &shared_fill_;
    added = arena_.extend_range(shared_fill_, range, bytes);
  }
  last->length += static_cast<std::uint32_t>(added);
  note_range(stream, *fill, static_cast<std::uint32_t>(added));
  return added;
}

FfiEvent* ChannelWorker::find_last_data(const StreamState& stream) {
  FfiEvent* const last = stream.last_data ? events_.find_unpublished(*stream.last_data) : nullptr;
  // Numbers begin again after 2^32 events: it may be another event by now.
  return last != nullptr && last->stream == stream.handle && last->type == KREPIS_EVENT_STREAM_DATA ? last
                                                                                                    : nullptr;
}

void ChannelWorker::note_range(StreamState& stream, const Fill& fill, std::uint32_t bytes) {
  stream.unreleased_bytes += bytes;
  stream.connection->unreleased_bytes += bytes;
  stream.connection->shared_bytes += &fill == &shared_fill_ ? bytes : 0;
}

bool ChannelWorker::may_hold_more(const ConnectionState& state) {
  return base::fair_share::may_take_piece(arena_.free_bytes() + arena_.room(shared_fill_),
                                          state.shared_bytes + state.pinned_blocks * kBlockBytes,
                                          base::fair_share::kHalfOfFree);
}

Fill* ChannelWorker::choose_fill(StreamState& stream, std::size_t bytes) {
  const bool is_lagging =
      stream.unreleased_ranges >= kLaggingRanges || stream.unreleased_bytes > kLaggingBytes;
  const bool has_own_room = arena_.room(stream.own_fill) > 0;  // in a block that is counted already
  if (is_lagging && has_own_room) {
    return &stream.own_fill;
  }
  if (!may_hold_more(*stream.connection)) {
    return has_own_room ? &stream.own_fill : nullptr;
  }
  if (is_lagging && arena_.open(stream.own_fill, &stream.connection->pinned_blocks)) {
    return &stream.own_fill;
  }
  if (arena_.room(shared_fill_) >= std::min(bytes, kWorthwhileBytes) || arena_.open(shared_fill_) ||
      arena_.room(shared_fill_) > 0) {
    return &shared_fill_;
  }
  return has_own_room ? &stream.own_fill : nullptr;
}

void ChannelWorker::finish_receiving(StreamState& stream) {
  stream.is_receive_over = true;
  if (FfiEvent* last = find_last_data(stream)) {
    last->flags |= KREPIS_FLAG_FIN;
  } else {
    FfiEvent event = events_.make(KREPIS_EVENT_STREAM_DATA, stream);
    event.flags = KREPIS_FLAG_FIN;
    events_.push(stream, event);
  }
  states_.release_when_read(stream);
}

void ChannelWorker::handle_reset(StreamState& stream, std::uint64_t code) {
  drop_parked(stream);
  stream.is_receive_over = true;
  stream.is_clean = false;
  FfiEvent event = events_.make(KREPIS_EVENT_STREAM_RESET, stream);
  event.code = code;
  events_.push(stream, event);
  states_.release_when_read(stream);
}

void ChannelWorker::handle_closed(StreamState& stream) {
  FfiEvent event = events_.make(KREPIS_EVENT_STREAM_CLOSED, stream);
  event.flags = stream.is_clean ? KREPIS_FLAG_CLEAN : 0;
  events_.push(stream, event);
  if (stream.id) {
    stream.connection->streams.erase(*stream.id);
  }
  void_stream(stream);
}

void ChannelWorker::void_stream(StreamState& stream) {
  if (std::exchange(stream.is_closed, true)) {
    return;
  }
  drop_parked(stream);
  end_sending(stream);
  arena_.close(stream.own_fill);
  stream.entry->add(Entry::kIsVoid);
  states_.free_when_read(stream.handle);
  core_.streams.fetch_sub(1, std::memory_order_relaxed);
}

void ChannelWorker::park(StreamState& stream, std::span<const std::uint8_t> bytes) {
  if (!stream.is_in_parking) {
    parking_.push(stream.handle);
    stream.is_in_parking = true;
    ++parked_streams_;
  }
  stream.parked.insert(stream.parked.end(), bytes.begin(), bytes.end());
  core_.parked_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
  parked_bytes_ += bytes.size();
  stream.connection->parked_bytes += bytes.size();
  if (parked_bytes_ > most_parked_bytes()) {
    shed_parked();
  }
  if (parking_.size() > 2 * parked_streams_ + 1'024) {
    prune_parking();
  }
}

void ChannelWorker::note_unparked(StreamState& stream, std::size_t bytes) {
  if (bytes > 0) {
    core_.parked_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    parked_bytes_ -= bytes;
    stream.connection->parked_bytes -= bytes;
  }
}

// Closes the connections that hold most, until a sixteenth is free: so the search for them is paid for by as
// many bytes as were received since the last one.
void ChannelWorker::shed_parked() {
  std::vector<ConnectionState*> holders;
  for (ConnectionState* state : states_.open_connections()) {
    if (state->connection != nullptr && state->parked_bytes > 0) {
      holders.push_back(state);
    }
  }
  std::ranges::sort(holders, std::greater(), &ConnectionState::parked_bytes);
  for (ConnectionState* holder : holders) {
    if (parked_bytes_ <= most_parked_bytes() / 16 * 15) {
      return;
    }
    holder->connection->close(KREPIS_CODE_OVERLOADED, "the channel has no room for more bytes");
    for (const auto& [id, stream] : holder->streams) {
      if (stream->parked_bytes() > 0) {
        drop_parked(*stream);
        stream->is_receive_over = true;
      }
    }
  }
}

// Streams that ended are taken off when there is room in the arena. If there never is, this takes them off.
void ChannelWorker::prune_parking() {
  for (std::size_t left = parking_.size(); left > 0; --left) {
    const std::uint32_t handle = parking_.front();
    parking_.pop();
    const StreamState* const stream = states_.find_stream(handle);
    if (stream != nullptr && stream->is_in_parking) {
      parking_.push(handle);
    }
  }
}

void ChannelWorker::drop_parked(StreamState& stream) {
  note_unparked(stream, stream.parked_bytes());
  stream.parked = {};
  stream.parked_from = 0;
  stream.is_fin_parked = false;
  if (std::exchange(stream.is_in_parking, false)) {
    --parked_streams_;
  }
}

void ChannelWorker::unpark_all() {
  bool has_progress = std::exchange(has_freed_, false);
  while (has_progress) {
    has_progress = false;
    for (std::size_t left = parking_.size(); left > 0; --left) {
      const std::uint32_t handle = parking_.front();
      parking_.pop();
      StreamState* const stream = states_.find_stream(handle);
      if (stream == nullptr || !stream->is_in_parking) {
        continue;
      }
      has_progress = unpark(*stream) || has_progress;
      if (stream->is_in_parking) {
        parking_.push(handle);
      }
    }
  }
}

// A block at most, then it is the next stream's turn. True when anything was moved.
bool ChannelWorker::unpark(StreamState& stream) {
  const std::span<const std::uint8_t> parked = std::span(stream.parked).subspan(stream.parked_from);
  const std::size_t placed = place(stream, parked.first(std::min(parked.size(), kBlockBytes)));
  stream.parked_from += placed;
  note_unparked(stream, placed);
  if (stream.parked_from >
      stream.parked.size() / 2) {  // else a stream that is never caught up with keeps all
    stream.parked.erase(stream.parked.begin(),
                        stream.parked.begin() + static_cast<std::ptrdiff_t>(stream.parked_from));
    stream.parked_from = 0;
  }
  if (stream.parked_bytes() == 0) {
    const bool is_fin = stream.is_fin_parked;
    drop_parked(stream);
    if (is_fin) {
      finish_receiving(stream);
    }
  }
  return placed > 0;
}

}  // namespace knul::channel
