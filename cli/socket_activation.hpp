// The UDP socket that a service manager passes to `knul serve`: the protocol of sd_listen_fds(3).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cli/outcome.hpp"

namespace knul::cli {

// Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. Of several descriptors the one with the name "knul" is the
// server's. Nothing without descriptors for this process. The descriptors become close-on-exec. Error:
// kUsage.
Outcome<std::optional<int>> inherited_socket(const std::map<std::string, std::string>& environment);

}  // namespace knul::cli
