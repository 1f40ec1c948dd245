// The ADDRESS argument of `knul stats` and `knul top`.
#pragma once

#include <string>
#include <string_view>

#include "cli/endpoint.hpp"
#include "cli/outcome.hpp"

namespace knul::cli {

inline constexpr const char* kDefaultAdminAddress = "127.0.0.1:9464";

struct AdminAddress {
  std::string shown;           // as the user wrote it
  HostPort server = {};        // not used if there is a path
  std::string unix_path = {};  // empty: host and port
};

// "127.0.0.1:9464", "[::1]:9464", "unix:/run/knul.sock", "/run/knul.sock". Error: kUsage.
Outcome<AdminAddress> parse_admin_address(std::string_view text);

}  // namespace knul::cli
