// When the log warns that a certificate expires.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "quic/crypto/certificate_pair.hpp"

namespace knul::server {

// A certificate is due for a warning 14 days, 7 days and a day before its end, and after it; once each. A
// threshold of more than half of the certificate's lifetime does not count: a certificate for six days would
// otherwise cause a warning from its first second.
// Thread: one at a time.
class ExpiryWarnings {
 public:
  // The warning that is due at `now` (Unix seconds); the text begins with `source`, and after the expiry ends
  // with its `result`.
  std::optional<std::string> take_due(const std::string& source, const quic::CertificateFacts& facts,
                                      std::int64_t now, std::string_view result = "clients will refuse it");

 private:
  struct Warned {
    std::string serial;
    std::int64_t not_after = 0;
    int threshold = 0;  // days; the smallest that was warned of; below 0: expired
  };
  std::map<std::string, Warned> warned_;  // by source
};

}  // namespace knul::server
