// The transport parameters that a connection announces, and the limits of its memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace knul::quic {

enum class CongestionControl : std::uint8_t { kCubic, kBbr, kReno };

struct TransportOptions {
  std::uint64_t max_streams_bidi = 100;  // concurrent, opened by the peer; RFC 9000 §4.6
  std::uint64_t max_streams_uni = 100;
  base::Duration idle_timeout = std::chrono::seconds(30);
  base::Duration handshake_timeout = std::chrono::seconds(10);
  std::uint64_t initial_max_data_bytes = 1 << 20;
  std::uint64_t initial_max_stream_data_bytes = 256 << 10;
  std::uint64_t max_window_bytes = 24 << 20;         // limit of auto-tuning, connection
  std::uint64_t max_stream_window_bytes = 16 << 20;  // limit of auto-tuning, stream
  std::uint64_t stream_send_buffer_bytes = 1 << 20;
  std::uint64_t max_stream_send_buffer_bytes = 16 << 20;  // limit of its growth with the path's capacity
  std::uint64_t connection_send_buffer_bytes = 16 << 20;
  std::size_t datagram_queue = 256;  // unsent DATAGRAMs; 0: DATAGRAMs are not offered
  CongestionControl congestion_control = CongestionControl::kCubic;
  std::size_t max_udp_payload_bytes = 1'452;
  base::Duration hibernate_after = std::chrono::seconds(2);  // idle time; 0: never
};

}  // namespace knul::quic
