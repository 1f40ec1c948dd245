#include "quic/wire/crypto_guard.hpp"

#include <algorithm>

namespace knul::quic {
namespace {

// RFC 8446 §4, HandshakeType.
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kCertificate = 11;
constexpr std::uint8_t kCertificateVerify = 15;
constexpr std::uint8_t kFinished = 20;
constexpr std::size_t kHeaderBytes = 4;

}  // namespace

CryptoVerdict CryptoGuard::check_client_data(ngtcp2_encryption_level level,
                                             std::span<const std::uint8_t> bytes) {
  switch (level) {
    case NGTCP2_ENCRYPTION_LEVEL_INITIAL:
      if (initial_.total_bytes + bytes.size() > kInitialLimitBytes) {
        return CryptoVerdict::kTooMuch;
      }
      return follow(initial_, bytes, [](std::uint8_t type) { return type == kClientHello; });
    case NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE:
      if (handshake_.total_bytes + bytes.size() > kHandshakeLimitBytes) {
        return CryptoVerdict::kTooMuch;
      }
      return follow(handshake_, bytes, [](std::uint8_t type) {
        return type == kCertificate || type == kCertificateVerify || type == kFinished;
      });
    default:
      // A client sends no CRYPTO data in 1-RTT packets, and 0-RTT has no CRYPTO frames.
      return CryptoVerdict::kUnexpectedMessage;
  }
}

CryptoVerdict CryptoGuard::follow(MessageReader& reader, std::span<const std::uint8_t> bytes,
                                  bool (*is_allowed)(std::uint8_t type)) {
  reader.total_bytes += bytes.size();
  while (!bytes.empty()) {
    if (reader.header_bytes == kHeaderBytes && reader.body_left_bytes > 0) {
      const std::size_t skipped = std::min(reader.body_left_bytes, bytes.size());
      reader.body_left_bytes -= skipped;
      bytes = bytes.subspan(skipped);
      continue;
    }
    if (reader.header_bytes == kHeaderBytes) {
      reader.header_bytes = 0;
    }
    const std::uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    if (reader.header_bytes == 0) {
      if (reader.is_finished || !is_allowed(byte)) {
        return CryptoVerdict::kUnexpectedMessage;
      }
      reader.is_finished = byte == kFinished;
      reader.body_left_bytes = 0;
    } else {
      reader.body_left_bytes = reader.body_left_bytes << 8 | byte;
    }
    ++reader.header_bytes;
  }
  return CryptoVerdict::kPass;
}

}  // namespace knul::quic
