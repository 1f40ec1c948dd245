// Types of parameters that describe a stream. krepis.hpp has the same for programs, but quic does not include
// it.
#pragma once

#include <cstdint>

namespace knul::quic {

enum class StreamDirection : std::uint8_t { kBidirectional, kUnidirectional };  // RFC 9000 §2.1

// Whether the bytes of a write or a delivery are the last of their direction (RFC 9000 §19.8).
enum class Fin : bool { kNo = false, kYes = true };

}  // namespace knul::quic
