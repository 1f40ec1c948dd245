// The program's mail: commands and released ranges.
#include <utility>

#include "channel/worker_part.hpp"

namespace knul::channel {

static_assert(static_cast<int>(krepis::DatagramPolicy::kBlock) == KREPIS_DATAGRAM_BLOCK &&
              static_cast<int>(krepis::DatagramPolicy::kDropOldest) == KREPIS_DATAGRAM_DROP_OLDEST &&
              static_cast<int>(krepis::DatagramPolicy::kDropNewest) == KREPIS_DATAGRAM_DROP_NEWEST);

void WorkerPart::take_mail() {
  mail_.clear();  // an exception may have left commands that have already run
  std::uint32_t log_messages = 0;
  {
    const std::lock_guard lock(mailbox_.mutex);
    std::swap(mail_, mailbox_.mail);
    log_messages = std::exchange(mailbox_.log_messages, 0);
    ++mailbox_.turn;
  }
  for (const std::uint32_t offset : mail_.releases) {
    receiving_.release(offset);
  }
  if (core_.is_open()) {
    for (const Command& command : mail_.commands) {
      try {
        run(command);
      } catch (...) {
        close_after_failure(command);
      }
    }
  } else {
    core_.count_lost_log_messages(log_messages);
  }
  mail_.clear();
  mailbox_.taken_memory_bytes.store(mail_.memory_bytes(), std::memory_order_relaxed);
}

// Closes the connection of a command that found no memory. A stream must not continue with a gap.
void WorkerPart::close_after_failure(const Command& command) {
  core_.count_lost_log_messages(command.kind == Command::Kind::kLog ? 1 : 0);
  StreamState* const stream = states_.find_stream(command.handle);
  ConnectionState* const state =
      stream != nullptr ? stream->connection : states_.find_connection(command.handle);
  if (state != nullptr && state->connection != nullptr) {
    state->connection->close(KREPIS_CODE_OVERLOADED, "the channel had no memory for data to send");
  }
}

void WorkerPart::run(const Command& command) {
  if (command.kind == Command::Kind::kOpenStream) {
    open_for_program(command);
  } else if (command.kind == Command::Kind::kLog) {
    deliver_log(command);
  } else if (StreamState* stream = states_.find_stream(command.handle);
             stream != nullptr && !stream->is_closed) {
    run_stream_command(command, *stream);
  } else if (ConnectionState* state = states_.find_connection(command.handle);
             state != nullptr && state->connection != nullptr) {
    run_connection_command(command, *state);
  }
}

// The event first: if there is no memory for it, no bytes stay in the arena. Without room for the text the
// event is empty.
void WorkerPart::deliver_log(const Command& command) {
  FfiEvent event = events_.make(KREPIS_EVENT_LOG, 0U);
  event.flags = command.option;
  FfiEvent* const pushed = events_.find_unpublished(events_.push(event));
  const auto text = std::span<const std::uint8_t>(mail_.bytes).subspan(command.offset, command.length);
  if (pushed == nullptr || !receiving_.put_log(*pushed, text)) {
    core_.count_lost_log_messages(1);
  }
}

void WorkerPart::run_stream_command(const Command& command, StreamState& stream) {
  using Kind = Command::Kind;
  switch (command.kind) {
    case Kind::kWrite:
      return sending_.write(stream, std::span(mail_.bytes).subspan(command.offset, command.length),
                            command.fin());
    case Kind::kWriteShared:
      return sending_.write(stream, std::move(mail_.buffers[command.offset]), command.fin());
    case Kind::kWantWritable:
      return sending_.request_writable(stream);
    case Kind::kReset:
      return stream.stream != nullptr ? sending_.reset(stream, command.code) : abandon_waiting(stream);
    case Kind::kStopSending:
      return receiving_.stop(stream, command.code);
    case Kind::kPriority:
      return set_priority(stream);
    default:
      return;
  }
}

void WorkerPart::set_priority(StreamState& stream) {
  const PackedPriority packed(stream.entry->requested_priority.exchange(0));
  if (!packed.is_set()) {
    return;
  }
  stream.priority = {packed.urgency(), packed.is_incremental()};
  if (stream.stream != nullptr) {
    stream.stream->set_priority(stream.priority);
  }
}

void WorkerPart::run_connection_command(const Command& command, ConnectionState& state) {
  using Kind = Command::Kind;
  const auto bytes = std::span<const std::uint8_t>(mail_.bytes).subspan(command.offset, command.length);
  switch (command.kind) {
    case Kind::kDatagram:
      return datagrams_.send(state, bytes,
                             {.policy = static_cast<krepis::DatagramPolicy>(command.option),
                              .expires_after = std::chrono::milliseconds(command.expires_ms),
                              .reports_fate = command.is_set,
                              .context = command.context});
    case Kind::kWantDatagramWritable:
      return datagrams_.request_writable(state);
    case Kind::kCloseConnection:
      return state.connection->close(command.code,
                                     {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    default:
      return;
  }
}

}  // namespace knul::channel
