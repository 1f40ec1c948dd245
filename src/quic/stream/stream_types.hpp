// Types of parameters that describe a stream. krepis.hpp has the same for programs, but quic does not include
// it.
#pragma once

#include <cstdint>

namespace knul::quic {

enum class StreamDirection : std::uint8_t { kBidirectional, kUnidirectional };  // RFC 9000 §2.1

// Whether the bytes of a write or a delivery are the last of their direction (RFC 9000 §19.8).
enum class Fin : bool { kNo = false, kYes = true };

// The order in which the streams of a connection send (RFC 9218 §4).
struct StreamPriority {
  std::uint8_t urgency;  // 0 to 7, larger counts as 7
  bool is_incremental;
};

}  // namespace knul::quic
