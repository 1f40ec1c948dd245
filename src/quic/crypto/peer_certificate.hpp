// What a program learns of its peer's certificate, and the small form in which a connection keeps it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quic/crypto/gnutls_owners.hpp"

namespace knul::quic {

struct PeerCertificate {
  std::string subject;                  // RFC 4514
  std::string issuer;                   // RFC 4514
  std::string serial;                   // hexadecimal
  std::array<std::uint8_t, 32> sha256;  // of the DER
  std::int64_t not_before = 0;          // Unix seconds
  std::int64_t not_after = 0;           // Unix seconds
  // subjectAltName (RFC 5280 §4.2.1.6), in its order. Omitted are names beyond kMostNames and kMostNameBytes,
  // and names with bytes other than printable ASCII.
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> emails;
  bool has_omitted_names = false;
  bool is_verified = false;
};

inline constexpr std::size_t kMostSubjectBytes = 1'024;  // and of the issuer
inline constexpr std::size_t kMostNames = 64;
inline constexpr std::size_t kMostNameBytes = 2'048;  // of all names

// Nullopt: subject or issuer is longer than kMostSubjectBytes, or is unreadable. `is_verified` stays false.
[[nodiscard]] std::optional<PeerCertificate> describe_certificate(gnutls_x509_crt_t certificate);

// A PeerCertificate in one allocation of at most a few KiB; 8 bytes without one.
class PackedCertificate {
 public:
  PackedCertificate() = default;
  explicit PackedCertificate(const PeerCertificate& certificate);

  explicit operator bool() const { return bytes_ != nullptr; }
  // Requires a certificate.
  [[nodiscard]] PeerCertificate unpack() const;
  // The memory beside this object.
  [[nodiscard]] std::size_t held_bytes() const;

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;  // begins with its own size
};

}  // namespace knul::quic
