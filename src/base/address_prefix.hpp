// A prefix of IPv4 or IPv6 addresses, "192.0.2.0/24" (RFC 4632).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/socket_address.hpp"

namespace knul::base {

class AddressPrefix {
 public:
  // Without "/length" the prefix is one address. Bits behind the length do not matter.
  [[nodiscard]] static std::optional<AddressPrefix> parse(std::string_view text);

  [[nodiscard]] bool contains(const SocketAddress& address) const;

 private:
  AddressPrefix(const SocketAddress& address, unsigned bits) : address_(address), bits_(bits) {}

  SocketAddress address_;
  unsigned bits_;
};

}  // namespace knul::base
