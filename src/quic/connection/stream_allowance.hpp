// The stream credit that a connection grants to its peer, and when (RFC 9000 §4.6).
#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.hpp"
#include "quic/connection/library_connection.hpp"
#include "quic/stream/stream.hpp"
#include "quic/stream/stream_credit.hpp"

namespace knul::quic {

// Thread: one.
class StreamAllowance {
 public:
  explicit StreamAllowance(const TransportOptions& options)
      : bidirectional_(options.max_streams_bidi), unidirectional_(options.max_streams_uni) {}

  // The peer has opened `id`. True: credit is due now.
  [[nodiscard]] bool note_opened(std::int64_t id) { return credit_of(id).note_opened(id); }
  // A stream of the peer has ended. True: credit is due now. False: it is due within a second.
  [[nodiscard]] bool note_finished(std::int64_t id, bool is_clean, base::Instant now) {
    constexpr base::Duration kLongestDelay = std::chrono::seconds(1);
    // A peer that reset or stopped a stream may soon open many. Some peers also return the credit of unwanted
    // data only after a packet arrives, so the credit goes at once.
    if (credit_of(id).note_finished() || !is_clean) {
      return true;
    }
    if (due_at_ == base::kNever && !is_frozen_) {
      due_at_ = now + kLongestDelay;
    }
    return false;
  }
  // Called when stream data goes too, so that the frame costs no packet, or when credit is due.
  void grant(LibraryConnection& library) {
    due_at_ = base::kNever;
    if (is_frozen_) {
      return;
    }
    if (const std::uint64_t count = bidirectional_.take(); count > 0) {
      library.extend_max_streams(StreamDirection::kBidirectional, count);
    }
    if (const std::uint64_t count = unidirectional_.take(); count > 0) {
      library.extend_max_streams(StreamDirection::kUnidirectional, count);
    }
  }
  // kNever: no credit is due.
  [[nodiscard]] base::Instant due_at() const { return due_at_; }
  // From then on the peer gets no stream credit.
  void freeze() { is_frozen_ = true; }

 private:
  StreamCredit& credit_of(std::int64_t id) { return is_bidirectional(id) ? bidirectional_ : unidirectional_; }

  StreamCredit bidirectional_;
  StreamCredit unidirectional_;
  base::Instant due_at_ = base::kNever;
  bool is_frozen_ = false;
};

}  // namespace knul::quic
