// What the layer above is told. Calls come from inside Endpoint's functions, on its thread, possibly from
// within the QUIC library: an observer may call any function of the Connection it is given (these only
// note what to do), and must not call the Endpoint.
#pragma once

#include <cstdint>
#include <span>

#include "quic/connection/close_cause.hpp"
#include "quic/stream/datagram_queue.hpp"

namespace knul::quic {

class Connection;
struct Stream;

class ConnectionObserver {
 public:
  virtual void on_handshake_completed(Connection& connection) = 0;
  // Last call for this connection; also for one whose handshake never completed.
  virtual void on_closed(Connection& connection, const CloseCause& cause) = 0;

  virtual void on_stream_opened(Connection& connection, Stream& stream) = 0;
  // In order; empty only with `is_fin`. Lifetime of `bytes`: this call.
  virtual void on_stream_data(Connection& connection, Stream& stream, std::span<const std::uint8_t> bytes,
                              bool is_fin) = 0;
  virtual void on_stream_reset(Connection& connection, Stream& stream, std::uint64_t code) = 0;
  virtual void on_stop_sending(Connection& connection, Stream& stream, std::uint64_t code) = 0;
  // After a write that was cut short: there is room.
  virtual void on_stream_writable(Connection& connection, Stream& stream) = 0;
  // The last byte and the FIN are in a packet for the first time.
  virtual void on_stream_fin_sent(Connection& connection, Stream& stream) = 0;
  // Both directions are over, what was sent is acknowledged, what was received is consumed.
  virtual void on_stream_closed(Connection& connection, Stream& stream) = 0;
  virtual void on_streams_available(Connection& connection, bool is_bidirectional) = 0;
  virtual void on_datagram(Connection& connection, std::span<const std::uint8_t> bytes) = 0;
  // After a send_datagram that gave kBlocked: half of the queue is free.
  virtual void on_datagram_writable(Connection& connection) = 0;
  virtual void on_datagram_fate(Connection& connection, std::uint32_t context, DatagramFate fate) = 0;

 protected:
  ~ConnectionObserver() = default;
};

}  // namespace knul::quic
