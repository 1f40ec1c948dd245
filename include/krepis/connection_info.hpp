// What a program learns of a connection. Included by krepis.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace krepis {

// The figures of a connection at one moment.
struct ConnectionInfo {
  std::chrono::nanoseconds smoothed_rtt{};
  std::chrono::nanoseconds min_rtt{};
  std::uint64_t congestion_window_bytes = 0;
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t bytes_received = 0;  // UDP payload
  std::uint64_t bytes_sent = 0;      // UDP payload
  std::uint64_t streams_active = 0;
};

// The certificate of a peer, as it was presented in the handshake.
struct PeerCertificate {
  std::string subject;  // distinguished names as text (RFC 4514), at most 1,024 bytes each
  std::string issuer;
  std::string serial;                   // hexadecimal
  std::string sha256;                   // of the DER, hexadecimal
  std::chrono::sys_seconds not_before;  // valid from here
  std::chrono::sys_seconds not_after;   // to here
  // subjectAltName (RFC 5280 §4.2.1.6): printable ASCII; at most 64 names and 2,048 bytes together.
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> emails;
  bool names_omitted = false;  // there are more names, or names with other bytes
  // True on a server, which refuses unverified certificates, and on a client with verify_peer.
  bool verified = false;
};

// Why a connection ended.
struct CloseReason {
  enum class Source : std::uint8_t {
    kPeerApplication,   // the peer's CONNECTION_CLOSE of type 0x1d
    kPeerTransport,     // the peer's CONNECTION_CLOSE of type 0x1c
    kLocalApplication,  // Connection::close
    kLocalTransport,    // this side detected an error (RFC 9000 §20.1)
    kIdleTimeout,       // RFC 9000 §10.1
    kHandshakeTimeout,
    kStatelessReset,  // RFC 9000 §10.3
    kDrain,           // the server stopped
  };
  Source source = Source::kLocalApplication;
  std::uint64_t code = 0;  // an application code, or a transport code of RFC 9000 §20.1
  std::string reason;
};

}  // namespace krepis
