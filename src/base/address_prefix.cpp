#include "base/address_prefix.hpp"

#include <algorithm>
#include <charconv>

namespace knul::base {

std::optional<AddressPrefix> AddressPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<SocketAddress> address = SocketAddress::parse(text.substr(0, slash), 0);
  if (!address) {
    return std::nullopt;
  }
  const auto most = static_cast<unsigned>(address->ip_bytes().size() * 8);
  if (slash == std::string_view::npos) {
    return AddressPrefix(*address, most);
  }
  unsigned bits = 0;
  const std::string_view length = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  const bool is_number = error == std::errc{} && end == length.data() + length.size() && !length.empty();
  return is_number && bits <= most ? std::optional(AddressPrefix(*address, bits)) : std::nullopt;
}

bool AddressPrefix::contains(const SocketAddress& address) const {
  if (address.family() != address_.family()) {
    return false;
  }
  const auto wanted = address_.ip_bytes();
  const auto given = address.ip_bytes();
  const std::size_t whole = bits_ / 8;
  if (!std::equal(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(whole), given.begin())) {
    return false;
  }
  const unsigned rest = bits_ % 8;
  return rest == 0 || ((wanted[whole] ^ given[whole]) >> (8 - rest)) == 0;
}

}  // namespace knul::base
