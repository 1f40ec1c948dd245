// Checks a client's CRYPTO data before the TLS library sees it. Data that no honest client sends ends the
// connection here, so the TLS library neither parses nor buffers it. RFC 9001 §4.4, §6; RFC 9000 §7.5.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace knul::quic {

enum class CryptoVerdict : std::uint8_t {
  kPass,
  kUnexpectedMessage,  // close with CRYPTO_ERROR 0x10a
  kTooMuch,            // close with CRYPTO_BUFFER_EXCEEDED 0xd
};

// Follows the handshake messages (type, 24-bit length, body; RFC 8446 §4) across chunks.
class CryptoGuard {
 public:
  static constexpr std::size_t kInitialLimitBytes = 16 * 1024;
  static constexpr std::size_t kHandshakeLimitBytes = 16 * 1024;

  // `bytes` are the next in the order of their level.
  CryptoVerdict check_client_data(ngtcp2_encryption_level level, std::span<const std::uint8_t> bytes);

 private:
  struct MessageReader {
    std::size_t total_bytes = 0;
    std::size_t header_bytes = 0;  // of the current message, 0..4
    std::size_t body_left_bytes = 0;
    bool is_finished = false;  // a Finished message has begun
  };

  static CryptoVerdict follow(MessageReader& reader, std::span<const std::uint8_t> bytes,
                              bool (*is_allowed)(std::uint8_t type));

  MessageReader initial_;
  MessageReader handshake_;
};

}  // namespace knul::quic
