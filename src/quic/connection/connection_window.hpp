// The receive window of a connection (MAX_DATA, RFC 9000 §4.1), within its share of the growth that all
// connections have been granted.
#pragma once

#include <algorithm>
#include <cstdint>

#include "quic/connection/connection_environment.hpp"
#include "quic/connection/source_table.hpp"

namespace knul::quic {

// Thread: one.
class ConnectionWindow {
 public:
  // Lifetime: `environment` outlives this object.
  ConnectionWindow(const ConnectionEnvironment& environment, base::Instant now)
      : environment_(environment), window_(environment.transport.initial_max_data_bytes, now) {}
  ~ConnectionWindow() { note_growth(std::uint64_t{0} - window_.beyond_initial_bytes()); }
  ConnectionWindow(const ConnectionWindow&) = delete;
  ConnectionWindow& operator=(const ConnectionWindow&) = delete;

  // Call it before the window grows. Lifetime: `source` outlives this object.
  void set_source(SourceHoldings& source) { source_ = &source; }
  [[nodiscard]] std::uint64_t bytes() const { return window_.bytes(); }
  // As in ReceiveWindow.
  [[nodiscard]] bool consume(std::uint64_t bytes) { return window_.consume(bytes); }
  [[nodiscard]] std::uint64_t take_credit(base::Instant now, base::Duration smoothed_rtt) {
    const ReceiveBudget& budget = environment_.receive_budget;
    const std::uint64_t before = window_.bytes();
    const std::uint64_t limit = std::max(environment_.transport.max_window_bytes, before);
    const std::uint64_t of_source = source_ == nullptr ? 0 : source_->receive_granted_bytes;
    const ReceiveBudget::Share share = budget.share_of(window_.beyond_initial_bytes(), of_source);
    const std::uint64_t credit =
        window_.take_credit({now, smoothed_rtt, before + std::min(limit - before, share.room_bytes),
                             budget.is_short(), share.is_exceeded});
    note_growth(window_.bytes() - before);
    return credit;
  }

 private:
  // `bytes` counts modulo 2^64, so that a window that has shrunk subtracts.
  void note_growth(std::uint64_t bytes) {
    environment_.receive_budget.granted_bytes += bytes;
    environment_.counters.receive_window_granted_bytes.add(bytes);
    if (source_ != nullptr) {
      source_->receive_granted_bytes += bytes;
    }
  }

  const ConnectionEnvironment& environment_;
  SourceHoldings* source_ = nullptr;  // null for a client's connection
  ReceiveWindow window_;
};

}  // namespace knul::quic
