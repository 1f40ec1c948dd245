// The versions of the libraries that this program runs with, not of their headers.
#pragma once

namespace knul::quic {

// Lifetime: the process.
[[nodiscard]] const char* quic_library_version();
[[nodiscard]] const char* tls_library_version();

}  // namespace knul::quic
