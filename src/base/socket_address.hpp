// An IPv4 or IPv6 address with a port, in the kernel's layout, so that neither udp nor the QUIC library needs
// a conversion for each packet. The system headers are included only for their structs.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace knul::base {

class SocketAddress {
 public:
  SocketAddress() { storage_.v6 = {}; }

  // Copies an address from the kernel. A family other than AF_INET and AF_INET6 becomes the unspecified
  // address.
  static SocketAddress from_sockaddr(const sockaddr* address, std::size_t length);
  // `text` is a numeric IPv4 or IPv6 address without port, brackets and "%scope", or "localhost", which means
  // 127.0.0.1. Other names are not resolved.
  static std::optional<SocketAddress> parse(std::string_view text, std::uint16_t port);

  [[nodiscard]] int family() const { return storage_.any.sa_family; }
  [[nodiscard]] bool is_v4() const { return family() == AF_INET; }
  [[nodiscard]] bool is_v6() const { return family() == AF_INET6; }
  [[nodiscard]] bool is_unspecified() const { return family() == AF_UNSPEC; }
  [[nodiscard]] std::uint16_t port() const;
  void set_port(std::uint16_t port);
  // 4 or 16 bytes, network order. Lifetime: this object.
  [[nodiscard]] std::span<const std::uint8_t> ip_bytes() const;

  [[nodiscard]] const sockaddr* data() const { return &storage_.any; }
  [[nodiscard]] sockaddr* data() { return &storage_.any; }
  [[nodiscard]] socklen_t size() const;

  // "127.0.0.1:4433" or "[::1]:4433".
  [[nodiscard]] std::string to_string() const;
  // "127.0.0.1" or "::1".
  [[nodiscard]] std::string ip_to_string() const;

  // Inline, because it runs for every packet.
  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    if (a.is_v6() && b.is_v6()) {
      return a.storage_.v6.sin6_port == b.storage_.v6.sin6_port &&
             a.storage_.v6.sin6_scope_id == b.storage_.v6.sin6_scope_id &&
             std::memcmp(&a.storage_.v6.sin6_addr, &b.storage_.v6.sin6_addr, sizeof(in6_addr)) == 0;
    }
    return a.family() == b.family() && a.storage_.v4.sin_port == b.storage_.v4.sin_port &&
           a.storage_.v4.sin_addr.s_addr == b.storage_.v4.sin_addr.s_addr;
  }

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
};

}  // namespace knul::base
