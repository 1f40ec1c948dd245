// The properties of a certificate that statistics and the log show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace knul::quic {

// What the certificate of a pair authenticates.
enum class CertificateUse : bool { kServer, kClient };

struct CertificateFacts {
  std::int64_t not_before = 0;     // Unix seconds
  std::int64_t not_after = 0;      // Unix seconds
  std::string serial;              // hexadecimal
  std::vector<std::string> names;  // DNS names as normalized_server_name() returns them

  // `now`: Unix seconds.
  [[nodiscard]] bool has_expired(std::int64_t now) const { return not_after < now; }
};

}  // namespace knul::quic
