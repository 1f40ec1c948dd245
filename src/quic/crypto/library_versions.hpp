// The versions of the libraries that this process uses, not those of their headers.
#pragma once

#include <string>
#include <vector>

namespace knul::quic {

// Lifetime: the process.
[[nodiscard]] const char* quic_library_version();
[[nodiscard]] const char* tls_library_version();
struct LibraryVersion {
  std::string name;
  std::string version;
};
// All libraries of the build; library_versions() is "ngtcp2 1.11.0, GnuTLS 3.7.9, ...". Shared libraries report the loaded version,
// archives and headers the version at build time.
[[nodiscard]] std::vector<LibraryVersion> library_list();
[[nodiscard]] std::string library_versions();

}  // namespace knul::quic
