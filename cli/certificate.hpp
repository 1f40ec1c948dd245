// Certificates for development: self-signed, or issued by an authority of the same kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace knul::cli {

struct PemPair {
  std::string certificate;
  std::string key;
};

enum class CertificateKind : std::uint8_t { kServer, kClient, kAuthority };

struct CertificateRequest {
  CertificateKind kind = CertificateKind::kServer;
  std::vector<std::string> hosts = {};  // of a server: names and addresses; the first is the common name
  std::string name = {};                // of a client or authority: the common name, 1 to 64 bytes
  unsigned days = 30;
  std::optional<PemPair> issuer = {};  // an authority; nullopt: self-signed
};

// Succeeds if a certificate may name `host`: a numeric address, or a DNS name (RFC 1123 §2.1, RFC 5280
// §4.2.1.6), whose first label may be "*". The failure has the reason.
Outcome<void> check_certificate_host(const std::string& host);

// ECDSA P-256, valid since an hour ago. kUsage for a host that check_certificate_host refuses, a name of
// another length, and an issuer that is not an authority.
Outcome<PemPair> make_certificate(const CertificateRequest& request);

struct CertificateFiles {
  std::string certificate_path;
  std::string key_path;
};

// The pair that write_certificate wrote into `folder`. kUsage for an unreadable file.
Outcome<PemPair> read_certificate(const std::string& folder);

enum class Overwrite : bool { kRefuse = false, kAllow = true };

// Writes cert.pem and key.pem (mode 0600) into `folder`, which is created if missing. No file is ever
// partial.
Outcome<CertificateFiles> write_certificate(const PemPair& pair, const std::string& folder,
                                            Overwrite overwrite);

}  // namespace knul::cli
