// Reads certificate and key files. No file at the path can block the process or fill its memory. The content
// is not checked here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace knul::server {

inline constexpr std::size_t kMaxCredentialFileBytes = 1 << 20;

// cert_path "/etc/cert.pem", to begin the text of an error. A very long path loses its middle.
[[nodiscard]] std::string credential_source(std::string_view what, const std::string& path);

// Returns the bytes of a regular, non-empty file of at most 1 MiB. The error text begins with `what`
// ("cert_path"). Error: kCredentials, with the path and the system's reason. Blocks while the file system
// reads.
base::Result<std::string> read_credential_file(std::string_view what, const std::string& path);

}  // namespace knul::server
