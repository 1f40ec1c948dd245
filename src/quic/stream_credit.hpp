// How many streams of one kind the peer may still open (RFC 9000 §4.6), and when it is told of more.
//
// MAX_STREAMS for every finished stream would be a packet of its own that the peer has to acknowledge, where
// one request follows another. Credit waits for a packet that goes anyway while the peer has at least half of
// its streams left, so that it never has to wait for credit itself.
#pragma once

#include <cstdint>
#include <utility>

namespace knul::quic {

// Thread: one.
class StreamCredit {
 public:
  // `limit`: streams at once.
  explicit StreamCredit(std::uint64_t limit) noexcept : limit_(limit), left_(limit) {}

  // The peer has opened `id`, and all below it of the same kind. True: credit is due.
  [[nodiscard]] bool note_opened(std::int64_t id) {
    const std::uint64_t opened = (static_cast<std::uint64_t>(id) >> 2) + 1;
    if (opened > opened_) {
      left_ -= opened - std::exchange(opened_, opened);
    }
    return owed_ > 0 && is_short();
  }
  // A stream of the peer is over. True: credit is due.
  [[nodiscard]] bool note_finished() {
    ++owed_;
    return is_short();
  }
  // What the peer is to be told of now.
  [[nodiscard]] std::uint64_t take() {
    left_ += owed_;
    return std::exchange(owed_, 0);
  }

 private:
  [[nodiscard]] bool is_short() const { return left_ < limit_ - limit_ / 2; }

  std::uint64_t limit_;
  std::uint64_t left_;        // as the peer knows it
  std::uint64_t opened_ = 0;  // by the peer
  std::uint64_t owed_ = 0;    // finished, and not yet told
};

}  // namespace knul::quic
