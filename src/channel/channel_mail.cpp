// What the program asked for: commands, released ranges, streams that it opens.
#include <utility>

#include "base/make_room.hpp"
#include "channel/channel_worker.hpp"

namespace knul::channel {

void ChannelWorker::take_mail() {
  mail_.clear();  // what an exception left of it must not be done twice
  {
    const std::lock_guard lock(mailbox_.mutex);
    std::swap(mail_, mailbox_.mail);
    ++mailbox_.turn;
  }
  for (const std::uint32_t offset : mail_.releases) {
    release(offset);
  }
  if (core_.is_open()) {
    for (const Command& command : mail_.commands) {
      try {
        run(command);
      } catch (...) {
        give_up(command);
      }
    }
  }
  mail_.clear();
  mailbox_.taken_memory_bytes.store(mail_.memory_bytes(), std::memory_order_relaxed);
}

// Without memory for a command its stream would go on with a gap, so the connection ends.
void ChannelWorker::give_up(const Command& command) {
  StreamState* const stream = states_.find_stream(command.handle);
  ConnectionState* const state =
      stream != nullptr ? stream->connection : states_.find_connection(command.handle);
  if (state != nullptr && state->connection != nullptr) {
    state->connection->close(KREPIS_CODE_OVERLOADED, "the channel had no memory for data to send");
  }
}

void ChannelWorker::run(const Command& command) {
  if (command.kind == Command::Kind::kOpenStream) {
    open_for_program(command);
  } else if (StreamState* stream = states_.find_stream(command.handle);
             stream != nullptr && !stream->is_closed) {
    run_stream_command(command, *stream);
  } else if (ConnectionState* state = states_.find_connection(command.handle);
             state != nullptr && state->connection != nullptr) {
    run_connection_command(command, *state);
  }
}

void ChannelWorker::run_stream_command(const Command& command, StreamState& stream) {
  using Kind = Command::Kind;
  krepis::Connection& connection = *stream.connection->connection;
  switch (command.kind) {
    case Kind::kWrite:
      return write(stream, std::span(mail_.bytes).subspan(command.offset, command.length), command.is_set);
    case Kind::kWriteShared:
      return write(stream, std::move(mail_.buffers[command.offset]), command.is_set);
    case Kind::kWantWritable:
      stream.wants_writable = true;
      return tell_writable(stream);
    case Kind::kReset:
      if (!stream.id) {
        return abandon_waiting(stream);
      }
      if (!stream.is_send_over) {
        stream.is_clean = false;
        end_sending(stream);
        connection.reset_stream(*stream.id, command.code);
      }
      return;
    case Kind::kStopSending:
      return stop_receiving(stream, command.code);
    case Kind::kPriority:
      return set_priority(stream);
    default:
      return;
  }
}

void ChannelWorker::set_priority(StreamState& stream) {
  const PriorityOrder order(stream.entry->priority_order.exchange(0));
  if (!order.is_set()) {
    return;
  }
  stream.priority = {order.urgency(), order.is_incremental()};
  if (stream.id) {
    stream.connection->connection->set_priority(*stream.id, stream.priority);
  }
}

void ChannelWorker::stop_receiving(StreamState& stream, std::uint64_t code) {
  if (!stream.id) {
    stream.stop_code = code;
    return;
  }
  if (stream.is_receive_over && !stream.is_fin_parked) {
    return;
  }
  drop_parked(stream);
  stream.is_receive_over = true;
  stream.is_clean = false;
  krepis::Connection& connection = *stream.connection->connection;
  const krepis::StreamId id = *stream.id;
  connection.stop_sending(id, code);
  // The program knows of the end: it made it. The stream may be gone after this.
  if (std::exchange(stream.is_retained, false)) {
    connection.release_stream(id);
  }
}

void ChannelWorker::run_connection_command(const Command& command, ConnectionState& state) {
  using Kind = Command::Kind;
  const auto bytes = std::span<const std::uint8_t>(mail_.bytes).subspan(command.offset, command.length);
  switch (command.kind) {
    case Kind::kDatagram:
      return send_datagram(state, bytes,
                           {.policy = static_cast<krepis::DatagramPolicy>(command.option),
                            .expires_after = std::chrono::milliseconds(command.expires_ms),
                            .reports_fate = command.is_set,
                            .context = command.context});
    case Kind::kWantDatagramWritable:
      state.wants_datagram_writable = true;
      return flush_datagrams(state);
    case Kind::kCloseConnection:
      return state.connection->close(command.code,
                                     {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    default:
      return;
  }
}

void ChannelWorker::open_for_program(const Command& command) {
  Entry* const entry = core_.table.find(command.handle);
  if (entry == nullptr) {
    return;
  }
  core_.streams.fetch_add(1, std::memory_order_relaxed);
  StreamState& stream = states_.add_stream(*entry);
  stream.handle = command.handle;
  stream.connection = states_.find_connection(entry->connection.load(std::memory_order_relaxed));
  stream.is_receive_over = command.is_set;
  if (stream.connection == nullptr || stream.connection->connection == nullptr) {
    void_stream(stream);  // the end of the connection was told, and with it that of its streams
    return;
  }
  if (!try_open(stream)) {
    stream.connection->waiting.push_back(&stream);
  }
}

bool ChannelWorker::try_open(StreamState& stream) {
  using Direction = krepis::StreamDirection;
  ConnectionState& state = *stream.connection;
  base::make_room(state.streams);
  const auto opened = state.connection->open_stream(
      stream.entry->has(Entry::kIsUnidirectional) ? Direction::kUnidirectional : Direction::kBidirectional);
  if (!opened) {
    return false;
  }
  stream.id = *opened;
  state.streams.emplace(*opened, &stream);
  state.entry->waiting_opens.fetch_sub(1, std::memory_order_relaxed);
  stream.entry->stream_id.store(*opened, std::memory_order_relaxed);
  begin_stream(stream);
  return true;
}

void ChannelWorker::begin_stream(StreamState& stream) {
  events_.push(stream, events_.make(KREPIS_EVENT_STREAM_OPENED, stream));
  stream.connection->connection->set_priority(*stream.id, stream.priority);
  flush(stream);
  if (stream.stop_code) {
    stop_receiving(stream, *stream.stop_code);
  }
}

void ChannelWorker::handle_streams_available(ConnectionState& state) {
  bool is_used_up[2] = {};  // by direction
  std::erase_if(state.waiting, [&](StreamState* stream) {
    bool& is_direction_used_up = is_used_up[stream->entry->has(Entry::kIsUnidirectional) ? 1 : 0];
    // It has an identifier if memory ran out when it was opened before.
    const bool is_opened = stream->id || (!is_direction_used_up && try_open(*stream));
    is_direction_used_up = !is_opened;
    return is_opened;
  });
}

// The peer never heard of it, so it ends at once.
void ChannelWorker::abandon_waiting(StreamState& stream) {
  std::erase(stream.connection->waiting, &stream);
  stream.connection->entry->waiting_opens.fetch_sub(1, std::memory_order_relaxed);
  stream.is_clean = false;
  handle_closed(stream);
}

void ChannelWorker::release(std::uint32_t offset) {
  const ArenaPart::Released owner = arena_.release(offset);
  has_freed_ = true;
  if (owner.length == 0) {
    return;
  }
  if (StreamState* stream = states_.find_stream(owner.handle)) {
    ConnectionState& state = *stream->connection;
    --stream->unreleased_ranges;
    stream->unreleased_bytes -= owner.length;
    state.unreleased_bytes -= owner.length;
    state.shared_bytes -= owner.is_pinned ? 0 : owner.length;
    if (stream->unreleased_ranges == 0) {
      arena_.close(stream->own_fill);
    }
    states_.free_if_released(*stream);
    states_.free_if_released(state);
    if (!stream->is_closed && state.connection != nullptr) {
      state.connection->consume(*stream->id, owner.length);
    }
  } else if (ConnectionState* state = states_.find_connection(owner.handle)) {
    if (state->identity_offset == offset) {
      state->identity_offset.reset();
      identity_bytes_ -= owner.length;
    }
    state->unreleased_bytes -= owner.length;
    state->shared_bytes -= owner.length;
    --state->unreleased_ranges;
    --connection_ranges_;
    states_.free_if_released(*state);
  }
}

}  // namespace knul::channel
