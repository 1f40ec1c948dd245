// Echoes what it receives: bidirectional streams on themselves, a client's unidirectional stream on a new
// stream of the server, datagrams as datagrams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include <krepis/krepis.hpp>

#include "service/connection_states.hpp"

namespace knul::service {

// Invariant: bytes are consumed only when a write has accepted them, and a unidirectional stream is retained
// until its echo was accepted. So flow control and stream credit (RFC 9000 §4.1, §4.6) bound the memory that
// a client uses: the bytes within its windows, in vectors of at most twice that size, and 100 bytes for each
// stream that it may open.
class EchoService final : public krepis::Application {
 public:
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_data(krepis::Connection& connection, krepis::StreamId stream,
                      std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Connection& connection, krepis::StreamId stream) override;
  void on_stream_reset(krepis::Connection& connection, krepis::StreamId stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Connection& connection, krepis::StreamId stream, std::uint64_t code) override;
  void on_stream_closed(krepis::Connection& connection, krepis::StreamId stream) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;
  void on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) override;

 private:
  static constexpr krepis::StreamId kNotOpened = ~krepis::StreamId{0};

  struct Stream {
    krepis::StreamId reply = kNotOpened;  // the echo's stream
    std::vector<std::uint8_t> pending;    // received, not yet accepted by a write
    std::size_t sent = 0;                 // of pending
    bool is_waiting = false;              // in ConnectionState::waiting
    bool is_ending = false;               // the FIN was received
    bool is_over = false;                 // the FIN was accepted, or the echo discarded
    bool is_retained = false;             // see krepis::Connection::retain_stream
  };
  struct ConnectionState {
    explicit ConnectionState(std::uint64_t key) : streams(key), sources(key) {}
    IdTable<Stream> streams;               // by the received stream
    IdTable<krepis::StreamId> sources;     // reply -> source, unidirectional streams only
    std::deque<krepis::StreamId> waiting;  // sources that wait for credit for their reply, oldest first
  };

  static Stream& open_reply(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source);
  static bool open_unidirectional(krepis::Connection& connection, ConnectionState& state,
                                  krepis::StreamId source, Stream& stream);
  static void flush(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                    Stream& stream);
  static void end(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                  Stream& stream);
  static void give_up(krepis::Connection& connection, ConnectionState& state, krepis::StreamId source,
                      Stream& stream);
  static krepis::StreamId source_of(ConnectionState& state, krepis::StreamId reply);

  ConnectionStates<ConnectionState> connections_;
};

}  // namespace knul::service
