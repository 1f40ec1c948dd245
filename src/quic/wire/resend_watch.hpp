// Tells from when on the QUIC library may send frames again, or RESET_STREAM by itself. Earlier packets need not
// be scanned for such frames.
#pragma once

#include <algorithm>
#include <cstdint>

namespace knul::quic {

// Follows the packets of the 1-RTT number space that the peer has acknowledged. As long as they have no gap,
// none counts as lost, because a packet is lost only when a later one is acknowledged (RFC 9002 §6.1). Every
// other cause is reported by note_cause().
class ResendWatch {
 public:
  // An ACK frame of a 1-RTT packet: its Largest Acknowledged, First ACK Range and ACK Range Count (RFC 9000
  // §19.3).
  void note_ack(std::uint64_t largest, std::uint64_t first_range, std::uint64_t range_count) {
    const bool has_gap = range_count > 0 || first_range > largest || largest - first_range > next_;
    if (has_gap || largest + 1 >= kMayResend) {
      next_ = kMayResend;
    } else {
      next_ = std::max(next_, static_cast<std::uint32_t>(largest + 1));
    }
  }
  // A probe timeout, a request to reset a stream, or a new path.
  void note_cause() { next_ = kMayResend; }
  // Stays true: the library does not report when it has sent everything again.
  [[nodiscard]] bool may_resend() const { return next_ == kMayResend; }

 private:
  // Above the packet numbers that are followed. After so many packets may_resend() is true.
  static constexpr std::uint32_t kMayResend = UINT32_MAX;
  std::uint32_t next_ = 0;  // every smaller packet number is acknowledged
};

}  // namespace knul::quic
