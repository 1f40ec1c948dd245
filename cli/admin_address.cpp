#include "cli/admin_address.hpp"

#include <sys/un.h>

#include <utility>

namespace knul::cli {

Outcome<AdminAddress> parse_admin_address(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  AdminAddress address{.shown = std::string(text)};
  const bool has_prefix = text.starts_with(kUnix);
  if (!has_prefix && text.find('/') == std::string_view::npos) {
    auto server = parse_host_port(text);
    if (!server) {
      return std::move(server).error();
    }
    address.server = *std::move(server);
    return address;
  }
  address.unix_path = text.substr(has_prefix ? kUnix.size() : 0);
  constexpr std::size_t kMostPathBytes = sizeof(sockaddr_un::sun_path) - 1;
  if (address.unix_path.empty() || address.unix_path.size() > kMostPathBytes) {
    return usage_failure("\"" + address.shown + "\": the path of a Unix socket has " +
                         std::to_string(address.unix_path.size()) + " bytes, expected 1 to " +
                         std::to_string(kMostPathBytes));
  }
  return address;
}

}  // namespace knul::cli
