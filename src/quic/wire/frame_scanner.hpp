// Reads facts about the frames of a decrypted packet that the QUIC library does not report: STOP_SENDING (RFC
// 9000 §19.5), which the library answers itself, so that a stream waiting for credit would never learn that
// its reader has left; CRYPTO data that the library buffers because it is out of order; and the number of
// frames. Of a packet to send it reads what the library sends by itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quic/wire/resend_watch.hpp"

namespace knul::quic {

struct StopSending {
  std::int64_t stream_id = 0;
  std::uint64_t code = 0;
};

struct PacketFrames {
  // The cost of reading the packet. A run of PADDING counts as one frame, and so do kRangesPerFrame ranges of
  // an ACK.
  std::uint32_t count = 0;
  bool has_crypto = false;

  static constexpr std::uint32_t kRangesPerFrame = 8;
};

// Appends the STOP_SENDING frames to `stops` and reports the ACK frames to `acks`. Ends at the first frame
// that it cannot read; the library judges that frame.
PacketFrames scan_frames(std::span<const std::uint8_t> payload, std::vector<StopSending>& stops,
                         ResendWatch& acks);

struct SentFrames {
  std::uint64_t stream_bytes = 0;  // of STREAM frames, also of those sent again
  std::uint32_t resets = 0;        // RESET_STREAM frames

  SentFrames& operator+=(const SentFrames& other) {
    stream_bytes += other.stream_bytes;
    resets += other.resets;
    return *this;
  }
};

// `payload`: a packet of the library before its encryption.
SentFrames scan_sent_frames(std::span<const std::uint8_t> payload);

}  // namespace knul::quic
