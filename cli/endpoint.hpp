// The server that a client command connects to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/outcome.hpp"

namespace knul::cli {

struct HostPort {
  std::string host;  // a name or an address, without brackets
  std::uint16_t port = 0;
};

// "name:4433", "127.0.0.1:4433", "[::1]:4433".
Outcome<HostPort> parse_host_port(std::string_view text);

struct HqTarget {
  HostPort server;
  std::vector<std::string> paths;  // each begins with a slash
};

// "hq://host:port/path" or "https://host:port/path", the latter with port 443 by default.
[[nodiscard]] bool is_url(std::string_view text);
Outcome<HqTarget> parse_url(std::string_view text);

// Returns the numeric address of `host`. Blocks until the system's resolver answers.
Outcome<std::string> resolve(const std::string& host);

}  // namespace knul::cli
