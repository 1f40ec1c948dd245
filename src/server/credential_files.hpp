// Reads certificate and key files so that nothing found at the path can hang or flood the process. What is
// inside is not looked at here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace knul::server {

inline constexpr std::size_t kMaxCredentialFileBytes = 1 << 20;

// The bytes of a regular, non-empty file of at most 1 MiB. `what` ("cert_path") opens the message.
// Error: kCredentials, with the path and the system's reason. Blocks: as long as the file system reads.
base::Result<std::string> read_credential_file(std::string_view what, const std::string& path);

}  // namespace knul::server
