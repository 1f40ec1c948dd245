// Certificates that clients present to a server: the trusted authorities, and the judgement of a chain.
//
// The server's work is bounded before it checks any signature: CryptoGuard bounds the bytes of the message,
// examine_certificate_message() the number of certificates and the size of their keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "quic/crypto/certificate_pair.hpp"
#include "quic/crypto/gnutls_owners.hpp"
#include "quic/crypto/peer_certificate.hpp"

namespace knul::quic {

enum class ClientAuth : std::uint8_t {
  kNone,      // the server does not ask for a certificate
  kOptional,  // a client may send none; one that it sends must be valid
  kRequired,
};

// Thread: any; immutable after load.
class ClientAuthorities {
 public:
  // Reads PEM certificates of authorities; error texts begin with `source`. An authority outside its validity
  // is no error. Error: kCredentials.
  static base::Result<std::shared_ptr<const ClientAuthorities>> load(std::span<const std::uint8_t> pem,
                                                                     const std::string& source);
  // Of the authority that expires first.
  [[nodiscard]] const CertificateFacts& facts() const { return facts_; }
  [[nodiscard]] std::size_t count() const { return certificates_.size(); }
  // True if their names fit into the server's first packets. Clients with several certificates choose by them
  // (RFC 8446 §4.2.4).
  [[nodiscard]] bool are_names_sent() const { return name_bytes_ <= kMostNameBytesSent; }
  // Makes sessions with these credentials trust the authorities.
  base::Status install(gnutls_certificate_credentials_t credentials) const;

 private:
  static constexpr std::size_t kMostNameBytesSent = 1'024;

  ClientAuthorities() = default;

  std::vector<Certificate> certificates_;
  CertificateFacts facts_;
  std::size_t name_bytes_ = 0;
};

// The judgement of a client's certificate. Each refusal has a counter and a text.
enum class CertificateVerdict : std::uint8_t {
  kNone,  // no certificate was refused
  kMissing,
  kMalformed,         // the message or a certificate cannot be parsed
  kTooLarge,          // too many certificates, or a name that is too long
  kKey,               // a key or signature algorithm that is too weak, too large or unknown
  kUnknownAuthority,  // no chain to an authority
  kExpired,
  kNotYetValid,
  kPurpose,    // not for TLS clients
  kSignature,  // a signature does not match its key: of a certificate, or of the handshake
  kOther,
};

// TLS alert (RFC 8446 §6.2); 0: the one that the TLS library chooses.
[[nodiscard]] std::uint8_t alert_of(CertificateVerdict verdict);
// "the client certificate has expired". Lifetime: constant.
[[nodiscard]] std::string_view text_of(CertificateVerdict verdict);

inline constexpr unsigned kMostClientCertificates = 8;  // of a chain
inline constexpr unsigned kMostKeyBits = 8'192;         // RSA, of any certificate
inline constexpr unsigned kMostExponentBits = 64;       // RSA

// Judges the body of a client's Certificate message (RFC 8446 §4.4.2) before the TLS library reads it.
// Returns 0 with kNone, else an error code of GnuTLS.
int examine_certificate_message(std::span<const std::uint8_t> message, ClientAuth auth,
                                CertificateVerdict& verdict);

struct JudgedCertificate {
  CertificateVerdict verdict = CertificateVerdict::kNone;
  PackedCertificate certificate = {};  // empty: it is refused, or the client has none
};
// Verifies the chain of a session whose client has proved that it has the key.
[[nodiscard]] JudgedCertificate judge_client(gnutls_session_t session);

// The leaf that the peer of a session has sent; nullopt without one. Does not verify it.
[[nodiscard]] std::optional<PeerCertificate> peer_certificate_of(gnutls_session_t session);

}  // namespace knul::quic
