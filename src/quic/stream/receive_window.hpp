// The flow-control window of a stream or of a whole connection (RFC 9000 §4): how much a peer may send before
// the program has consumed it. The window grows while the program keeps up with the path.
//
// A window doubles when a quarter of it is used up within a round trip. It settles at four to eight times the
// bytes of a round trip. Less would hold back a sender that itself doubles its rate with every round trip,
// because credit is half a round trip old when it arrives. On short paths a few milliseconds replace the
// round trip, because there the turns of the program's loop take the time. Weak case: the window of a program
// that reads in bursts with longer pauses does not grow.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/fair_share.hpp"
#include "base/time.hpp"

namespace knul::quic {

// The memory that the peers of one endpoint have been granted beyond their initial windows. Only windows of
// connections count; the bytes of a stream are within its connection's window. Granted credit cannot be taken
// back, but a window shrinks when due credit is not granted. No connection is closed for it: a connection
// without growth keeps its initial window.
struct ReceiveBudget {
  std::uint64_t limit_bytes = ~std::uint64_t{0};
  std::uint64_t granted_bytes = 0;
  std::uint64_t parts = 1;  // base::fair_share::parts_of

  // The share of a connection that has been granted `held_bytes`, while all connections of its source address
  // have been granted `held_by_source_bytes`.
  struct Share {
    std::uint64_t room_bytes;  // how much it may grow
    bool is_exceeded;          // it must shrink: it holds more than twice its fair part
  };

  [[nodiscard]] std::uint64_t left_bytes() const {
    return limit_bytes > granted_bytes ? limit_bytes - granted_bytes : 0;
  }
  [[nodiscard]] bool is_short() const { return left_bytes() < limit_bytes / 4; }
  [[nodiscard]] Share share_of(std::uint64_t held_bytes, std::uint64_t held_by_source_bytes) const {
    const std::uint64_t free = left_bytes();
    return {std::min({free, base::fair_share::room_of_connection(free, held_bytes, parts),
                      base::fair_share::room_of_source(free, held_by_source_bytes)}),
            held_bytes / 2 > free / parts};
  }
};

// Invariant: never smaller than initially. Thread: one.
class ReceiveWindow {
 public:
  // A shorter round trip does not measure how fast a program reads.
  static constexpr base::Duration kShortestRoundTrip = std::chrono::milliseconds(5);
  // A window is too large if a quarter of it lasts longer than this number of round trips.
  static constexpr int kSlowRoundTrips = 8;

  // The inputs when credit is due.
  struct CreditInputs {
    base::Instant now;
    base::Duration smoothed_rtt;
    std::uint64_t limit_bytes;       // of growth
    bool is_memory_short = false;    // a slow window must shrink
    bool is_share_exceeded = false;  // the window must shrink, slow or not
  };

  ReceiveWindow(std::uint64_t initial_bytes, base::Instant now) noexcept
      : initial_bytes_(initial_bytes), bytes_(initial_bytes), last_credit_at_(now) {}

  // Notes that the program has consumed `bytes`. True: credit is due, which happens by quarters of the
  // window, so that credit takes few frames.
  [[nodiscard]] bool consume(std::uint64_t bytes) {
    owed_bytes_ += bytes;
    return 4 * owed_bytes_ > bytes_;
  }
  // Returns the credit to grant now: the consumed bytes, more when the window grows, less when it shrinks.
  [[nodiscard]] std::uint64_t take_credit(const CreditInputs& at);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t beyond_initial_bytes() const { return bytes_ - initial_bytes_; }

 private:
  const std::uint64_t initial_bytes_;
  std::uint64_t bytes_;
  std::uint64_t owed_bytes_ = 0;  // consumed by the program, not yet granted to the peer
  base::Instant last_credit_at_;
};

}  // namespace knul::quic
