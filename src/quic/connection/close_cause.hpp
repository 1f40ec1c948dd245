// Why a connection ended.
#pragma once

#include <cstdint>
#include <string>

namespace knul::quic {

// RFC 9000 §20.1: those of the transport codes that are not the library's to choose.
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
    kNoProgress,  // ours: something that all connections share was short, and the peer made no progress
    kEvicted,     // ours: a handshake whose place was given to another
  };
  Source source = Source::kLocalTransport;
  std::uint64_t code = 0;  // RFC 9000 §20: of the application or of the transport, as the source says
  std::string reason;
};

}  // namespace knul::quic
