#include "base/socket_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace knul::base {

SocketAddress SocketAddress::from_sockaddr(const sockaddr* address, std::size_t length) {
  SocketAddress result;
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    std::memcpy(&result.storage_.v4, address, sizeof(sockaddr_in));
  } else if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    std::memcpy(&result.storage_.v6, address, sizeof(sockaddr_in6));
  }
  return result;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text, std::uint16_t port) {
  if (text == "localhost") {
    text = "127.0.0.1";
  }
  std::array<char, INET6_ADDRSTRLEN + 1> terminated{};
  if (text.size() >= terminated.size()) {
    return std::nullopt;
  }
  std::copy(text.begin(), text.end(), terminated.begin());
  SocketAddress result;
  if (inet_pton(AF_INET, terminated.data(), &result.storage_.v4.sin_addr) == 1) {
    result.storage_.v4.sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, terminated.data(), &result.storage_.v6.sin6_addr) == 1) {
    result.storage_.v6.sin6_family = AF_INET6;
  } else {
    return std::nullopt;
  }
  result.set_port(port);
  return result;
}

std::uint16_t SocketAddress::port() const {
  return ntohs(is_v6() ? storage_.v6.sin6_port : storage_.v4.sin_port);
}

void SocketAddress::set_port(std::uint16_t port) {
  (is_v6() ? storage_.v6.sin6_port : storage_.v4.sin_port) = htons(port);
}

std::span<const std::uint8_t> SocketAddress::ip_bytes() const {
  if (is_v6()) {
    return {storage_.v6.sin6_addr.s6_addr, 16};
  }
  return {reinterpret_cast<const std::uint8_t*>(&storage_.v4.sin_addr), 4};
}

socklen_t SocketAddress::size() const { return is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

std::string SocketAddress::to_string() const {
  const std::string port_text = std::to_string(port());
  return is_v6() ? "[" + ip_to_string() + "]:" + port_text : ip_to_string() + ":" + port_text;
}

std::string SocketAddress::ip_to_string() const {
  if (is_unspecified()) {
    return "unspecified";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family(), ip_bytes().data(), text.data(), text.size());
  return text.data();
}

}  // namespace knul::base
