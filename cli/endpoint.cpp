#include "cli/endpoint.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <memory>

namespace knul::cli {
namespace {

Failure malformed(std::string_view text, const char* why) {
  return usage_failure("\"" + std::string(text) + "\": " + why +
                       "; expected HOST:PORT, such as localhost:4433 or [::1]:4433");
}

}  // namespace

Outcome<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) {
    return malformed(text, "no port");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed(text, "an IPv6 address needs brackets");
  }
  if (host.empty()) {
    return malformed(text, "no host");
  }
  const std::string_view digits = text.substr(colon + 1);
  HostPort parsed{std::string(host), 0};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
  if (error != std::errc{} || end != digits.data() + digits.size() || parsed.port == 0) {
    return malformed(text, "the port is not a number from 1 to 65535");
  }
  return parsed;
}

bool is_url(std::string_view text) { return text.find("://") != std::string_view::npos; }

Outcome<HqTarget> parse_url(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  const std::string_view scheme = text.substr(0, scheme_end);
  if (scheme != "hq" && scheme != "https") {
    return usage_failure("\"" + std::string(text) + "\": expected a URL that begins with hq:// or https://");
  }
  const std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t slash = rest.find('/');
  std::string authority(rest.substr(0, slash));
  const bool has_port = authority.rfind(':') != std::string::npos && !authority.ends_with(']');
  if (!has_port && scheme == "https") {
    authority += ":443";
  }
  auto server = parse_host_port(authority);
  if (!server) {
    return std::move(server).error();
  }
  const std::string path(slash == std::string_view::npos ? "/" : rest.substr(slash));
  return HqTarget{*std::move(server), {path}};
}

Outcome<std::string> resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  // The library resolves "localhost" itself, so that it is the same address on every machine.
  if (host == "localhost") {
    return host;
  }
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return run_failure("host \"" + host + "\": " + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::array<char, NI_MAXHOST> text{};
  if (::getnameinfo(list->ai_addr, list->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) !=
      0) {
    return run_failure("host \"" + host + "\": has no numeric address");
  }
  return std::string(text.data());
}

}  // namespace knul::cli
