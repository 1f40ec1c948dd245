// How many streams of one kind the peer may still open (RFC 9000 §4.6), and when it gets more credit.
//
// Where one request follows another, MAX_STREAMS for each finished stream would need a packet of its own,
// which the peer must acknowledge. While the peer has at least three quarters of its streams left, credit
// waits for a packet that leaves anyway. The owner bounds that wait: the peer may have used up its streams
// without a packet, by opening streams on which it sends nothing.
#pragma once

#include <cstdint>
#include <utility>

namespace knul::quic {

// Thread: one.
class StreamCredit {
 public:
  // `limit`: concurrent streams.
  explicit StreamCredit(std::uint64_t limit) noexcept : limit_(limit), left_(limit) {}

  // The peer has opened `id` and all lower IDs of the same kind. True: credit is due.
  [[nodiscard]] bool note_opened(std::int64_t id) {
    const std::uint64_t opened = (static_cast<std::uint64_t>(id) >> 2) + 1;
    if (opened > opened_) {
      left_ -= opened - std::exchange(opened_, opened);
    }
    return owed_ > 0 && is_short();
  }
  // A stream of the peer has ended. True: credit is due.
  [[nodiscard]] bool note_finished() {
    ++owed_;
    return is_short();
  }
  // Returns the credit to grant now.
  [[nodiscard]] std::uint64_t take() {
    left_ += owed_;
    return std::exchange(owed_, 0);
  }

 private:
  [[nodiscard]] bool is_short() const { return left_ < limit_ - limit_ / 4; }

  std::uint64_t limit_;
  std::uint64_t left_;        // as far as the peer's packets show
  std::uint64_t opened_ = 0;  // by the peer
  std::uint64_t owed_ = 0;    // finished, credit not yet granted
};

}  // namespace knul::quic
