// The states of a stopping worker: running → draining → over. New connections and streams are refused. Idle
// connections close at once, a busy connection when its last stream is acknowledged, the rest at the
// deadline. The closes are then repeated for a while, because a peer that misses its CONNECTION_CLOSE waits
// for its idle timeout.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <vector>

#include "quic/endpoint/endpoint.hpp"

namespace knul::server {

// Thread: its worker's.
class Drain {
 public:
  // The closing period of RFC 9000 §10.2 is 3 × PTO; a stop waits at most this long for it.
  static constexpr base::Duration kLongestLinger = std::chrono::milliseconds(200);
  // Shorter, because after the deadline a program waits for stop to return.
  static constexpr base::Duration kLingerAfterDeadline = std::chrono::milliseconds(80);
  // In either linger at least five copies of a close leave. So of 100,000 peers behind a path that loses a
  // tenth of the packets, one misses all copies.
  static constexpr base::Duration kRepeatInterval = std::chrono::milliseconds(40);
  static constexpr base::Duration kRepeatIntervalAfterDeadline = std::chrono::milliseconds(16);

  void begin(quic::Endpoint& endpoint, base::Instant now, base::Instant deadline);
  [[nodiscard]] bool has_begun() const { return deadline_ != base::kNever; }
  [[nodiscard]] base::Instant next_expiry(const quic::Endpoint& endpoint) const;
  void handle_expiry(quic::Endpoint& endpoint, base::Instant now);
  // Called before `stream` is removed from its connection.
  void note_stream_closed(quic::Connection& connection, const quic::Stream& stream);
  // Called after packets were written. Closes the connections that waited only for their DATAGRAMs to leave.
  void note_sent(quic::Endpoint& endpoint);
  // Requires that `connection` still has its streams.
  void note_connection_closed(const quic::Connection& connection, const quic::CloseCause& cause,
                              base::Instant now);

  [[nodiscard]] bool is_over(const quic::Endpoint& endpoint, base::Instant now) const;
  [[nodiscard]] krepis::DrainReport report() const { return report_; }

 private:
  // Closes the connection if no work is left on it.
  void close_if_idle(quic::Connection& connection, std::size_t streams_that_do_not_count);
  void cut(quic::Connection& connection);
  [[nodiscard]] base::Duration repeat_interval() const {
    return is_cut_ ? kRepeatIntervalAfterDeadline : kRepeatInterval;
  }

  base::Instant begun_{};
  base::Instant deadline_ = base::kNever;
  base::Instant last_closed_{};
  base::Instant next_repeat_ = base::kNever;
  bool is_cut_ = false;
  std::vector<std::uint64_t> waiting_for_datagrams_;  // numbers of connections without streams
  krepis::DrainReport report_;
};

}  // namespace knul::server
