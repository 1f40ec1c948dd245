// What a connection counts about itself, and the figures that it reports.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "quic/connection/library_connection.hpp"
#include "quic/connection/send_limits.hpp"

namespace knul::quic {

// Counted in the connection, since its beginning. The small types keep it small; they suffice for what a peer
// can cause in the time of a connection, or stay at their largest value.
struct ConnectionCounts {
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t stream_bytes_resent = 0;
  std::uint64_t datagrams_acknowledged = 0;
  std::uint32_t datagrams_lost = 0;
  std::uint32_t datagrams_dropped_policy = 0;   // for another one, or because the queue was full
  std::uint32_t datagrams_dropped_expired = 0;  // too late
  std::uint32_t datagrams_dropped_size = 0;     // longer than the path or the peer accepts
  std::uint32_t packets_lost = 0;               // at the last call of Connection::count_losses()
  std::uint32_t probe_timeouts = 0;
  std::uint32_t migrations = 0;
  std::uint32_t key_updates = 0;
  std::uint32_t hibernations = 0;
};

struct ConnectionStatistics {
  TransportState transport;
  ConnectionCounts counts;
  std::uint64_t packets_lost = 0;    // RFC 9002 §6.1; below ngtcp2 1.16 only packets with stream data
  std::uint64_t bytes_received = 0;  // UDP payload, as is the next
  std::uint64_t bytes_sent = 0;
  std::uint64_t streams_active = 0;
  std::uint64_t memory_bytes = 0;  // of the connection, its library, its streams and its unsent data
  base::Duration age{};
  base::Duration idle{};            // since the last packet
  base::Duration handshake_time{};  // 0 until the handshake completes
  SendLimit limit = SendLimit::kApplication;
  SendLimitTimes::Shares limit_shares{};
};

}  // namespace knul::quic
