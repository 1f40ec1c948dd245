// Writes the frames of a packet (RFC 9000 §19, RFC 9221 §4) as JSON: their types and fields, but no payload,
// no token and no path challenge, because the reader of a log must not be able to use them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "quic/qlog/qlog_json.hpp"

namespace knul::quic {

// The limits of one packet. An honest packet stays far below; a flood of frames does not fill the file.
inline constexpr unsigned kMostQlogFrames = 128;
inline constexpr unsigned kMostQlogAckRanges = 256;

// Appends the items of an array. `ack_delay_exponent`: of the sender (RFC 9000 §18.2). False: some frames or
// ranges are missing, because there are too many or one cannot be read.
bool append_frames(QlogJson& json, std::span<const std::uint8_t> payload, std::uint8_t ack_delay_exponent);

// "no_error" and so on (RFC 9000 §20.1); empty for another code.
[[nodiscard]] std::string_view transport_error_name(std::uint64_t code);

}  // namespace knul::quic
