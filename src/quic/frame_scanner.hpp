// Finds STOP_SENDING frames (RFC 9000 §19.5) in a decrypted packet. The QUIC library answers them by itself
// but tells nobody, so a stream that waits for credit would never learn that its reader has left.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace knul::quic {

struct StopSending {
  std::int64_t stream_id = 0;
  std::uint64_t code = 0;
};

// Appends what it finds. Stops at the first frame that it cannot read; judging that is the library's work.
void find_stop_sending(std::span<const std::uint8_t> payload, std::vector<StopSending>& out);

}  // namespace knul::quic
