// Why a connection ended.
#pragma once

#include <cstdint>
#include <string>

namespace knul::quic {

// RFC 9000 §20.1: the transport codes that this layer sends itself; ngtcp2 chooses all others.
enum class TransportCode : std::uint64_t { kNoError = 0x0, kInternalError = 0x1, kConnectionRefused = 0x2 };

// krepis::LibraryCode::kNoProgress, the application code of Source::kNoProgress.
constexpr std::uint64_t kNoProgressCode = 0x4b4e5507;

struct CloseCause {
  enum class Source : std::uint8_t {
    kPeerApplication,
    kPeerTransport,
    kLocalApplication,
    kLocalTransport,
    kIdleTimeout,
    kHandshakeTimeout,
    kStatelessReset,
    kNoProgress,  // local: shared memory or places were short, and the peer made no progress
    kEvicted,     // local: a handshake that was evicted for another
  };
  Source source = Source::kLocalTransport;
  std::uint64_t code = 0;  // RFC 9000 §20: an application code or a transport code, as `source` says
  std::string reason;
};

}  // namespace knul::quic
