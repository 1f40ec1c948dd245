#include "service/echo_service.hpp"

#include "service/service_codes.hpp"
#include "service/stream_id.hpp"

namespace knul::service {
namespace {

// A buffer that grew beyond this is given back once it is empty.
constexpr std::size_t kKeptCapacity = 64 << 10;

}  // namespace

void EchoService::on_connection_closed(krepis::Connection& connection,
                                       const krepis::CloseReason& /*reason*/) {
  connections_.erase(connection);
}

EchoService::Stream& EchoService::open_reply(krepis::Connection& connection, ConnectionState& state,
                                             krepis::StreamId source) {
  Stream& stream = state.streams.find_or_insert(source);
  if (stream.reply != kNotOpened || stream.is_waiting) {
    return stream;
  }
  if (!is_unidirectional(source)) {
    stream.reply = source;
  } else if (!state.waiting.empty() || !open_unidirectional(connection, state, source, stream)) {
    stream.is_waiting = true;
    state.waiting.push_back(source);
  }
  return stream;
}

bool EchoService::open_unidirectional(krepis::Connection& connection, ConnectionState& state,
                                      krepis::StreamId source, Stream& stream) {
  const auto opened = connection.open_stream(krepis::StreamDirection::kUnidirectional);
  if (!opened) {
    return false;
  }
  stream.reply = *opened;
  state.sources.find_or_insert(*opened) = source;
  return true;
}

void EchoService::on_stream_data(krepis::Connection& connection, krepis::StreamId source,
                                 std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  ConnectionState& state = connections_.of(connection);
  Stream& stream = open_reply(connection, state, source);
  if (stream.is_over) {
    connection.consume(source, bytes.size());
    return;
  }
  stream.is_ending = fin == krepis::Fin::kYes;
  if (stream.reply != kNotOpened && stream.pending.empty()) {
    const std::size_t accepted = connection.write(stream.reply, bytes, fin);
    if (accepted > 0) {
      connection.consume(source, accepted);
    }
    bytes = bytes.subspan(accepted);
    if (bytes.empty()) {
      stream.is_over = stream.is_ending;
      return;
    }
  }
  if (stream.sent > stream.pending.size() / 2) {
    stream.pending.erase(stream.pending.begin(),
                         stream.pending.begin() + static_cast<std::ptrdiff_t>(stream.sent));
    stream.sent = 0;
  }
  stream.pending.insert(stream.pending.end(), bytes.begin(), bytes.end());
}

void EchoService::flush(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                        Stream& stream) {
  const std::span<const std::uint8_t> rest = std::span(stream.pending).subspan(stream.sent);
  if (stream.reply == kNotOpened || stream.is_over || (rest.empty() && !stream.is_ending)) {
    return;
  }
  const std::size_t accepted = connection.write(stream.reply, rest, krepis::Fin{stream.is_ending});
  release(connection, state, source, stream, accepted);
  if (accepted < rest.size()) {
    return;  // on_stream_writable follows
  }
  clear_pending(stream);
  if (stream.is_ending) {
    end(state, source, stream);
  }
}

// `bytes` of what is pending are done with: the client gets its credit back, or the backlog shrinks.
void EchoService::release(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                          Stream& stream, std::size_t bytes) {
  stream.sent += bytes;
  if (!stream.is_receiving) {
    state.backlog_bytes -= bytes;
  } else if (bytes > 0) {
    connection.consume(source, bytes);
  }
}

void EchoService::clear_pending(Stream& stream) {
  stream.sent = 0;
  stream.pending.clear();
  if (stream.pending.capacity() > kKeptCapacity) {
    stream.pending.shrink_to_fit();
  }
}

// Nothing more will be sent. `stream` is gone afterwards if its source is over too.
void EchoService::end(ConnectionState& state, krepis::StreamId source, Stream& stream) {
  stream.is_over = true;
  if (stream.is_waiting) {
    std::erase(state.waiting, source);
    stream.is_waiting = false;
  }
  if (!stream.is_receiving) {
    --state.backlog_streams;
    state.streams.erase(source);
  }
}

void EchoService::give_up(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                          Stream& stream) {
  if (!stream.is_over) {
    release(connection, state, source, stream, stream.pending.size() - stream.sent);
    clear_pending(stream);
    end(state, source, stream);
  }
}

void EchoService::on_stream_writable(krepis::Connection& connection, krepis::StreamId reply) {
  ConnectionState& state = connections_.of(connection);
  const krepis::StreamId source = source_of(state, reply);
  if (Stream* const stream = state.streams.find(source); stream != nullptr) {
    flush(connection, state, source, *stream);
  }
}

void EchoService::on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) {
  if (direction != krepis::StreamDirection::kUnidirectional) {
    return;
  }
  ConnectionState& state = connections_.of(connection);
  while (!state.waiting.empty()) {
    const krepis::StreamId source = state.waiting.front();
    Stream& stream = *state.streams.find(source);  // Invariant: what waits has an entry
    if (!open_unidirectional(connection, state, source, stream)) {
      return;
    }
    state.waiting.pop_front();
    stream.is_waiting = false;
    flush(connection, state, source, stream);
  }
}

void EchoService::on_stream_reset(krepis::Connection& connection, krepis::StreamId source,
                                  std::uint64_t code) {
  ConnectionState& state = connections_.of(connection);
  Stream& stream = state.streams.find_or_insert(source);
  if (!is_unidirectional(source)) {
    stream.reply = source;
  }
  if (stream.reply != kNotOpened && !stream.is_over) {
    connection.reset_stream(stream.reply, code);
  }
  give_up(connection, state, source, stream);
}

void EchoService::on_stop_sending(krepis::Connection& connection, krepis::StreamId reply,
                                  std::uint64_t code) {
  ConnectionState& state = connections_.of(connection);
  const krepis::StreamId source = source_of(state, reply);
  Stream* const stream = state.streams.find(source);
  if (stream == nullptr) {
    return;
  }
  if (stream->is_receiving && !stream->is_ending) {
    connection.stop_sending(source, code);
  }
  give_up(connection, state, source, *stream);
}

void EchoService::on_stream_closed(krepis::Connection& connection, krepis::StreamId id) {
  ConnectionState& state = connections_.of(connection);
  if (is_server_opened(id)) {
    state.sources.erase(id);
    return;
  }
  Stream* const stream = state.streams.find(id);
  if (stream == nullptr) {
    return;
  }
  if (stream->is_over || !is_unidirectional(id)) {
    state.streams.erase(id);
    return;
  }
  stream->is_receiving = false;
  state.backlog_bytes += stream->pending.size() - stream->sent;
  ++state.backlog_streams;
  if (state.backlog_bytes > kMaxBacklogBytes || state.backlog_streams > kMaxBacklogStreams) {
    connection.close(to_wire(ServiceCode::kEchoBacklog), "too many unidirectional streams without an answer");
  }
}

void EchoService::on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) {
  // Datagrams are unreliable (RFC 9221 §5): one that does not fit the queue is dropped and counted below.
  static_cast<void>(connection.send_datagram(bytes));
}

krepis::StreamId EchoService::source_of(ConnectionState& state, krepis::StreamId reply) {
  if (!is_server_opened(reply)) {
    return reply;
  }
  const krepis::StreamId* const source = state.sources.find(reply);
  return source != nullptr ? *source : kNotOpened;
}

}  // namespace knul::service
