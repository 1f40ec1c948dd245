// Certificates of every kind for tests, also of kinds that a server refuses. Throws std::runtime_error.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace knul::test {

enum class CertificateKey {
  kP256,
  kP224,
  kP384,
  kP521,
  kRsa1024,
  kRsa2048,
  kRsaPss2048,
  kDsa,
  kEd25519,
  kEd448
};

class MadeCertificate;

struct CertificateRequest {
  std::string common_name = "localhost";
  std::vector<std::string> dns_names = {};  // empty: no subjectAltName extension
  bool has_address = false;                 // 127.0.0.1 as a subjectAltName
  std::vector<std::string> uris = {};
  std::vector<std::string> emails = {};
  CertificateKey key = CertificateKey::kP256;
  long long begins_in_seconds = -3'600;
  long long ends_in_seconds = 10LL * 24 * 3'600;
  bool is_authority = false;
  std::optional<unsigned> key_usage = {};   // GNUTLS_KEY_*; nullopt: no extension
  std::vector<std::string> purposes = {};   // OIDs; empty: no extension
  unsigned serial = 1;                      // at most 2^24 - 1
  const MadeCertificate* issuer = nullptr;  // null: self-signed
  const MadeCertificate* key_of = nullptr;  // uses the key of this certificate instead of a new one
  // Above 0: the public key is RSA with numbers of this size and no private key; requires an issuer.
  unsigned modulus_bytes = 0;
  unsigned exponent_bytes = 0;
};

// Thread: any, for different objects.
class MadeCertificate {
 public:
  explicit MadeCertificate(const CertificateRequest& request);
  ~MadeCertificate();
  MadeCertificate(const MadeCertificate&) = delete;
  MadeCertificate& operator=(const MadeCertificate&) = delete;

  [[nodiscard]] const std::string& certificate() const { return certificate_; }  // PEM
  [[nodiscard]] const std::string& key() const { return key_; }                  // PEM
  [[nodiscard]] std::string der() const;
  [[nodiscard]] std::string encrypted_key() const;  // PEM, PKCS #8

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string certificate_;
  std::string key_;
};

}  // namespace knul::test
