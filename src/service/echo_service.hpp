// Echoes what it receives: bidirectional streams on themselves, a client's unidirectional stream on a new
// stream of the server, datagrams as datagrams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include <krepis/krepis.hpp>

#include "service/user_states.hpp"

namespace knul::service {

// Invariant: bytes are consumed only when a write has accepted them, and a unidirectional stream is retained
// until its echo was accepted. So flow control and stream credit (RFC 9000 §4.1, §4.6) bound the memory that
// a client uses: the bytes within its windows, in vectors of at most twice that size, and 100 bytes for each
// stream that it may open.
class EchoService final : public krepis::Application {
 public:
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override;
  void on_stream_closed(krepis::Stream& stream) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;
  void on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) override;

 private:
  // Both streams lead to it; a bidirectional stream is its own reply.
  struct Echo {
    krepis::Stream* source = nullptr;   // the received stream
    krepis::Stream* reply = nullptr;    // null before it is opened, and after it has closed
    std::vector<std::uint8_t> pending;  // received, not yet accepted by a write
    std::size_t sent = 0;               // of pending
    bool is_waiting = false;            // in Waiting::echoes
    bool is_ending = false;             // the FIN was received
    bool is_over = false;               // the FIN was accepted, or the echo discarded
    bool is_retained = false;           // see krepis::Stream::retain

    [[nodiscard]] std::span<const std::uint8_t> unsent() const { return std::span(pending).subspan(sent); }
    void clear_pending();
  };
  struct Waiting {
    std::deque<Echo*> echoes;  // that wait for credit for their reply, oldest first
  };

  Echo& echo_of(krepis::Stream& source);
  void open_reply(Echo& echo);
  bool open_unidirectional(Echo& echo);
  void keep(Echo& echo, std::span<const std::uint8_t> bytes);
  void flush(Echo& echo);
  void end(Echo& echo);
  void leave_queue(Echo& echo);
  // `stream` ends.
  void forget(krepis::Stream& stream);

  UserStates<krepis::Stream, Echo> echoes_;
  UserStates<krepis::Connection, Waiting> waiting_;
};

}  // namespace knul::service
