// The events that a connection reports to the layer above.
// Thread: the Endpoint's, inside its functions and possibly inside the QUIC library's. An observer may call
// any function of the given Connection, because those only note work for later. It must not call the
// Endpoint.
#pragma once

#include <cstdint>
#include <span>

#include "quic/connection/close_cause.hpp"
#include "quic/stream/datagram_queue.hpp"
#include "quic/stream/stream_types.hpp"

namespace knul::quic {

class Connection;
struct Stream;

class ConnectionObserver {
 public:
  virtual void on_handshake_completed(Connection& connection) = 0;
  // The last call for this connection, also after a failed handshake.
  virtual void on_closed(Connection& connection, const CloseCause& cause) = 0;

  virtual void on_stream_opened(Connection& connection, Stream& stream) = 0;
  // In stream order; empty only with Fin::kYes. Lifetime of `bytes`: this call.
  virtual void on_stream_data(Connection& connection, Stream& stream, std::span<const std::uint8_t> bytes,
                              Fin fin) = 0;
  virtual void on_stream_reset(Connection& connection, Stream& stream, std::uint64_t code) = 0;
  virtual void on_stop_sending(Connection& connection, Stream& stream, std::uint64_t code) = 0;
  // There is room again after a write that accepted fewer bytes than given.
  virtual void on_stream_writable(Connection& connection, Stream& stream) = 0;
  // A packet has carried the last byte and the FIN for the first time.
  virtual void on_stream_fin_sent(Connection& connection, Stream& stream) = 0;
  // Both directions have ended, all sent bytes are acknowledged, all received bytes are consumed.
  virtual void on_stream_closed(Connection& connection, Stream& stream) = 0;
  virtual void on_streams_available(Connection& connection, StreamDirection direction) = 0;
  virtual void on_datagram(Connection& connection, std::span<const std::uint8_t> bytes) = 0;
  // Half of the queue is free after a send_datagram that returned kBlocked.
  virtual void on_datagram_writable(Connection& connection) = 0;
  virtual void on_datagram_fate(Connection& connection, std::uint32_t context, DatagramFate fate) = 0;

 protected:
  ~ConnectionObserver() = default;
};

}  // namespace knul::quic
