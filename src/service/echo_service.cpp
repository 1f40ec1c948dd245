#include "service/echo_service.hpp"

#include <utility>

#include "service/stream_id.hpp"

namespace knul::service {

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
      if (stream.is_ending) {
        end(connection, state, source, stream);
      }
      return;
    }
  }
  if (stream.sent > stream.pending.size() / 2) {
    stream.pending.erase(stream.pending.begin(),
                         stream.pending.begin() + static_cast<std::ptrdiff_t>(stream.sent));
    stream.sent = 0;
  }
  stream.pending.insert(stream.pending.end(), bytes.begin(), bytes.end());
  if (is_unidirectional(source) && !std::exchange(stream.is_retained, true)) {
    connection.retain_stream(source);
  }
}

void EchoService::flush(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                        Stream& stream) {
  const std::span<const std::uint8_t> rest = std::span(stream.pending).subspan(stream.sent);
  if (stream.reply == kNotOpened || stream.is_over || (rest.empty() && !stream.is_ending)) {
    return;
  }
  const std::size_t accepted = connection.write(stream.reply, rest, krepis::Fin{stream.is_ending});
  stream.sent += accepted;
  if (accepted > 0) {
    connection.consume(source, accepted);
  }
  if (accepted < rest.size()) {
    return;  // on_stream_writable follows
  }
  stream.pending = {};
  stream.sent = 0;
  if (stream.is_ending) {
    end(connection, state, source, stream);
  }
}

// Ends the echo: unsent bytes are discarded and count as consumed. Lifetime: `stream` may be erased by this.
void EchoService::end(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                      Stream& stream) {
  const std::size_t unsent = stream.pending.size() - stream.sent;
  const bool was_retained = std::exchange(stream.is_retained, false);
  stream.pending = {};
  stream.sent = 0;
  stream.is_over = true;
  if (std::exchange(stream.is_waiting, false)) {
    std::erase(state.waiting, source);
  }
  if (unsent > 0) {
    connection.consume(source, unsent);
  }
  if (was_retained) {
    connection.release_stream(source);
  }
}

void EchoService::give_up(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                          Stream& stream) {
  if (!stream.is_over) {
    end(connection, state, source, stream);
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
    Stream& stream = *state.streams.find(source);  // Invariant: a waiting source has an entry
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
  if (!stream->is_ending) {
    connection.stop_sending(source, code);
  }
  give_up(connection, state, source, *stream);
}

void EchoService::on_stream_closed(krepis::Connection& connection, krepis::StreamId id) {
  ConnectionState& state = connections_.of(connection);
  if (is_server_opened(id)) {
    state.sources.erase(id);
  } else {
    state.streams.erase(id);
  }
}

void EchoService::on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) {
  // Datagrams are unreliable (RFC 9221 §5): a datagram that does not fit into the queue is dropped, and the
  // layer below counts it.
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
