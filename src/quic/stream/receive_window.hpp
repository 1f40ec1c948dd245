// How much a peer may send before the program has used it: the flow-control window of a stream or of a whole
// connection (RFC 9000 §4), which grows while the program keeps up with the path.
//
// A window of which a quarter is used up within a round trip doubles; it comes to rest at four to eight times
// what a round trip brings. Less would hold a sender back that itself doubles its rate with every round trip,
// because credit is half a round trip old when it arrives. On short paths a few milliseconds count instead:
// there the turns of the program's loop are what takes time. Weak case: a program that reads in lumps, with
// longer pauses in between, keeps the window that it has.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/fair_share.hpp"
#include "base/time.hpp"

namespace knul::quic {

// What the peers of one endpoint have been granted beyond their initial windows. Windows of connections
// count; the bytes of a stream are within its connection's. What was granted cannot be taken back, but a
// window becomes smaller when credit is due and not given. Nobody is closed: who gets no growth has its
// initial window.
struct ReceiveBudget {
  std::uint64_t limit_bytes = ~std::uint64_t{0};
  std::uint64_t granted_bytes = 0;
  std::uint64_t parts = 1;  // base::fair_share::parts_of

  // What a connection does that has been granted `held_bytes`, with all of its source address
  // `held_by_source_bytes`.
  struct Share {
    std::uint64_t room_bytes;  // it may grow by so much
    bool is_exceeded;          // it gives back: it has more than twice what is fair
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

// Invariant: at least as large as at first. Thread: one.
class ReceiveWindow {
 public:
  // Shorter ones say nothing about how fast a program reads.
  static constexpr base::Duration kShortestRoundTrip = std::chrono::milliseconds(5);
  // A window of which a quarter lasts for longer is larger than it need be.
  static constexpr int kSlowRoundTrips = 8;

  // What it looks at when credit is due.
  struct Surroundings {
    base::Instant now;
    base::Duration smoothed_rtt;
    std::uint64_t most_bytes;        // it does not grow beyond
    bool is_memory_short = false;    // a slow one is to become smaller
    bool is_share_exceeded = false;  // it is to become smaller, slow or not
  };

  ReceiveWindow(std::uint64_t initial_bytes, base::Instant now) noexcept
      : initial_bytes_(initial_bytes), bytes_(initial_bytes), last_credit_at_(now) {}

  // Notes that the program has used `bytes`. True: credit is due. It is given by quarters of the window, so
  // that it costs few frames.
  [[nodiscard]] bool consume(std::uint64_t bytes) {
    owed_bytes_ += bytes;
    return 4 * owed_bytes_ > bytes_;
  }
  // The credit to give to the peer now: what was used, more when the window grows, less when it shrinks.
  [[nodiscard]] std::uint64_t take_credit(const Surroundings& at);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t beyond_initial_bytes() const { return bytes_ - initial_bytes_; }

 private:
  const std::uint64_t initial_bytes_;
  std::uint64_t bytes_;
  std::uint64_t owed_bytes_ = 0;  // used by the program, not yet given back to the peer
  base::Instant last_credit_at_;
};

}  // namespace knul::quic
