// The versions of the libraries that this process uses, not those of their headers.
#pragma once

#include <string>

namespace knul::quic {

// Lifetime: the process.
[[nodiscard]] const char* quic_library_version();
[[nodiscard]] const char* tls_library_version();
// "ngtcp2 1.11.0, GnuTLS 3.7.9, ...": all libraries of the build. Shared libraries report the loaded version,
// archives and headers the version at build time.
[[nodiscard]] std::string library_versions();

}  // namespace knul::quic
