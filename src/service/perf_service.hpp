// draft-banks-quic-performance, ALPN "perf": the first 8 bytes of a bidirectional stream, big-endian, are the
// number of bytes to send back; the following bytes are upload and are dropped. All bytes of a unidirectional
// stream are upload. The answer begins after the 8th byte and ends when the upload has ended, so that its end
// shows the client that all bytes have arrived.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <krepis/krepis.hpp>

#include "service/user_states.hpp"

namespace knul::service {

// A request that arrives at once and whose answer is accepted at once has no state.
class PerfService final : public krepis::Application {
 public:
  static constexpr std::size_t kHeaderBytes = 8;
  // Small enough to stay in the cache, large enough for one train of packets.
  static constexpr std::size_t kChunkBytes = 64 << 10;

  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override;
  void on_stream_closed(krepis::Stream& stream) override;

 private:
  struct Request {
    std::array<std::uint8_t, kHeaderBytes> header{};
    std::uint8_t header_bytes = 0;
    bool has_ended = false;       // the client's FIN was received
    bool is_blocked = false;      // on_stream_writable follows
    bool answered = false;        // the FIN was accepted, or the sending side is reset
    std::uint64_t remaining = 0;  // bytes of the answer not yet accepted by a write
  };

  // Completes the header with the first bytes of `bytes`.
  static void take_header(Request& request, std::span<const std::uint8_t> bytes);
  static bool has_more_to_send(const Request& request);
  static void send_answer(krepis::Stream& stream, Request& request);

  UserStates<krepis::Stream, Request> requests_;
};

}  // namespace knul::service
