// Self-signed certificates for development.
#pragma once

#include <string>
#include <vector>

#include "cli/outcome.hpp"

namespace knul::cli {

struct CertificateRequest {
  std::vector<std::string> hosts;  // names and addresses; the first is the common name
  unsigned days = 30;
};

struct PemPair {
  std::string certificate;
  std::string key;
};

// Succeeds if a certificate may name `host`: a numeric address, or a DNS name (RFC 1123 §2.1, RFC 5280
// §4.2.1.6), whose first label may be "*". The failure has the reason.
Outcome<void> check_certificate_host(const std::string& host);

// ECDSA P-256, valid since an hour ago. kUsage for a host that check_certificate_host refuses.
Outcome<PemPair> make_certificate(const CertificateRequest& request);

struct CertificateFiles {
  std::string certificate_path;
  std::string key_path;
};

enum class Overwrite : bool { kRefuse = false, kAllow = true };

// Writes cert.pem and key.pem (mode 0600) into `folder`, which is created if missing. No file is ever
// partial.
Outcome<CertificateFiles> write_certificate(const PemPair& pair, const std::string& folder,
                                            Overwrite overwrite);

}  // namespace knul::cli
