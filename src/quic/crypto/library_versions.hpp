// The versions of the libraries that this program runs with, not of their headers.
#pragma once

#include <string>

namespace knul::quic {

// Lifetime: the process.
[[nodiscard]] const char* quic_library_version();
[[nodiscard]] const char* tls_library_version();
// "ngtcp2 1.11.0, GnuTLS 3.7.9, ...": all libraries of the build. Shared ones as they are loaded, archives
// and headers as they were at build time.
[[nodiscard]] std::string library_versions();

}  // namespace knul::quic
