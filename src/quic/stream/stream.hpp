// One stream of one connection: its unsent and unacknowledged data, and its received and consumed bytes.
#pragma once

#include <array>
#include <boost/intrusive/list_hook.hpp>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"
#include "quic/stream/receive_window.hpp"
#include "quic/stream/send_buffer.hpp"
#include "quic/stream/stream_types.hpp"

namespace knul::quic {

// RFC 9000 §2.1: bit 0 is set if the server opened the stream, bit 1 if the stream is unidirectional.
[[nodiscard]] constexpr bool is_bidirectional(std::int64_t id) { return (id & 2) == 0; }
[[nodiscard]] constexpr bool is_opened_by_server(std::int64_t id) { return (id & 1) != 0; }

// Lifetime: owned by its Connection, until ConnectionObserver::on_stream_closed has returned.
struct Stream : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Stream(std::int64_t stream_id, base::Instant now, std::uint64_t window_bytes, BlockPool& pool) noexcept
      : id(stream_id), opened_at(now), send(pool), window(window_bytes, now) {}

  const std::int64_t id;
  const base::Instant opened_at;

  SendBuffer send;
  bool is_fin_queued = false;
  bool is_fin_sent = false;      // a packet has carried it
  bool has_send_ended = false;   // reset locally or stopped by the peer: accepts no more
  bool is_flow_blocked = false;  // waits for MAX_STREAM_DATA
  bool wants_writable = false;   // a write accepted fewer bytes than given

  ReceiveWindow window;
  std::uint64_t received_bytes = 0;
  std::uint64_t consumed_bytes = 0;
  bool has_receive_ended = false;     // FIN delivered, reset by the peer, or stopped locally
  bool is_closed_by_library = false;  // the QUIC library has closed it
  bool is_clean = false;              // valid then: neither side has reset or stopped it
  bool is_retained = false;           // the layer above still uses it

  static constexpr std::uint8_t kUrgencies = 8;
  std::uint8_t urgency = 3;  // RFC 9218 §4.1
  bool is_incremental = true;

  // Space for an object of the layer above, which creates it when the stream opens. Nothing destroys it.
  struct alignas(void*) AboveSpace {
    std::array<std::byte, 40> bytes;
  };
  AboveSpace above;

  [[nodiscard]] bool is_finished() const {
    return is_closed_by_library && !is_retained && consumed_bytes == received_bytes;
  }
  [[nodiscard]] bool has_something_to_send() const {
    return !has_send_ended && (send.unsent() > 0 || (is_fin_queued && !is_fin_sent));
  }
};

static_assert(BlockPool::block_bytes(sizeof(Stream)) == 256, "the next block has twice the size");

}  // namespace knul::quic
