// What the QUIC library does not tell of the frames in a decrypted packet: STOP_SENDING (RFC 9000 §19.5),
// which it answers by itself, so that a stream that waits for credit would never learn that its reader has
// left; CRYPTO data that it keeps because it is out of order; and how many frames there are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace knul::quic {

struct StopSending {
  std::int64_t stream_id = 0;
  std::uint64_t code = 0;
};

struct PacketFrames {
  // What the packet costs to read. A run of PADDING counts as one frame, kRangesPerFrame ranges of an ACK as
  // another one.
  std::uint32_t count = 0;
  bool has_crypto = false;

  static constexpr std::uint32_t kRangesPerFrame = 8;
};

// Appends the STOP_SENDING frames to `stops`. Stops at the first frame that it cannot read; judging that is
// the library's work.
PacketFrames scan_frames(std::span<const std::uint8_t> payload, std::vector<StopSending>& stops);

}  // namespace knul::quic
