// The versions of the libraries that this process uses, not those of their headers.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace knul::quic {

struct LibraryVersion {
  std::string name;
  std::string version;
};

// Lifetime: the process.
[[nodiscard]] const char* quic_library_version();
[[nodiscard]] const char* tls_library_version();

// All libraries of the build. Shared libraries report the loaded version, archives and headers the version at
// build time.
[[nodiscard]] std::vector<LibraryVersion> library_list();
// "ngtcp2 1.11.0, GnuTLS 3.7.9, ..."
[[nodiscard]] std::string library_versions(std::span<const LibraryVersion> libraries);

}  // namespace knul::quic
