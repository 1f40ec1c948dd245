// How a worker stops: running → draining → over. New connections and streams are refused, idle connections
// close at once, a busy one when its last stream is acknowledged, the rest at the deadline; then the closes
// are repeated for a while, because a lost CONNECTION_CLOSE leaves a peer waiting for its idle timeout.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <vector>

#include "quic/endpoint/endpoint.hpp"

namespace knul::server {

// Thread: its worker's.
class Drain {
 public:
  // The closing period of RFC 9000 §10.2 is 3 × PTO; a stop does not wait longer than this for it.
  static constexpr base::Duration kLongestLinger = std::chrono::milliseconds(200);
  // Past the deadline somebody waits for the stop to return.
  static constexpr base::Duration kLingerAfterDeadline = std::chrono::milliseconds(80);
  // In either linger at least five copies of a close leave, so that of 100,000 peers behind a path that loses
  // a tenth one hears nothing.
  static constexpr base::Duration kRepeatInterval = std::chrono::milliseconds(40);
  static constexpr base::Duration kRepeatIntervalAfterDeadline = std::chrono::milliseconds(16);

  void begin(quic::Endpoint& endpoint, base::Instant now, base::Instant deadline);
  [[nodiscard]] bool has_begun() const { return deadline_ != base::kNever; }
  [[nodiscard]] base::Instant next_expiry(const quic::Endpoint& endpoint) const;
  void handle_expiry(quic::Endpoint& endpoint, base::Instant now);
  // Before `stream` is gone from its connection.
  void note_stream_closed(quic::Connection& connection, const quic::Stream& stream);
  // After packets have been written: closes what only waited for its datagrams to leave.
  void note_sent(quic::Endpoint& endpoint);
  // `connection` still has its streams.
  void note_connection_closed(const quic::Connection& connection, const quic::CloseCause& cause,
                              base::Instant now);

  [[nodiscard]] bool is_over(const quic::Endpoint& endpoint, base::Instant now) const;
  [[nodiscard]] krepis::DrainReport report() const { return report_; }

 private:
  // Closes it if nothing is left to do on it.
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
