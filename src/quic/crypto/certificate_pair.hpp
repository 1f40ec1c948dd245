// A certificate chain with its private key, checked, and ready to sign handshakes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "quic/crypto/certificate_facts.hpp"
#include "quic/crypto/gnutls_owners.hpp"

namespace knul::quic {

struct PemPair {
  std::span<const std::uint8_t> certificate;  // the chain, leaf first
  std::span<const std::uint8_t> key;          // the leaf's, unencrypted
  // Error texts begin with the source of the invalid text: cert_path "/etc/cert.pem".
  std::string certificate_source = "cert_path";
  std::string key_source = "key_path";
  CertificateUse use = CertificateUse::kServer;
};

// Thread: any; immutable after load.
class CertificatePair {
 public:
  // Checks that peers will accept the pair: each certificate of the chain signed the one before, the leaf
  // may sign handshakes of TLS 1.3 in its use and is valid at `now` (Unix seconds; nullopt: not checked), and
  // the key is the leaf's. An expired leaf is no error. Error: kCredentials.
  static base::Result<std::shared_ptr<const CertificatePair>> load(
      const PemPair& pem, std::optional<std::int64_t> now = std::nullopt);
  ~CertificatePair();
  CertificatePair(const CertificatePair&) = delete;
  CertificatePair& operator=(const CertificatePair&) = delete;

  // Of the leaf.
  [[nodiscard]] const CertificateFacts& facts() const { return facts_; }
  // True if the key makes signatures of this scheme (RFC 8446 §4.2.3).
  [[nodiscard]] bool can_sign(gnutls_sign_algorithm_t scheme) const;

  // For GnuTLS, whose parameters are mutable; it only reads. Lifetime: as this object.
  [[nodiscard]] std::span<gnutls_pcert_st> chain() const { return chain_; }
  [[nodiscard]] gnutls_privkey_t key() const { return key_.get(); }

 private:
  CertificatePair() = default;
  base::Status adopt_chain(std::span<const Certificate> chain);
  base::Status adopt_key(const PemPair& pem, std::span<const Certificate> chain);

  CertificateFacts facts_;
  std::span<const gnutls_sign_algorithm_t> schemes_;
  mutable std::vector<gnutls_pcert_st> chain_;
  PrivateKey key_;
};

}  // namespace knul::quic
