// Which certificates have the DNS name that a client asks for (SNI, RFC 6066 §3).
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace knul::quic {

// In lower case, without the dot of the root at its end. A client may ask for "Example.com.".
[[nodiscard]] std::string normalized_server_name(std::string_view name);

// Thread: any; unchanged after the last add().
class ServerNames {
 public:
  // `name` is normalized. "*.example.com" has all names with one label before ".example.com" (RFC 6125
  // §6.4.3). Any other name with a "*" is left out, because clients need not accept it.
  void add(std::string_view name, std::size_t index);

  // The indices that were added for a normalized name, in order.
  [[nodiscard]] std::span<const std::size_t> find(std::string_view name) const;
  [[nodiscard]] std::span<const std::size_t> find_wildcard(std::string_view name) const;

 private:
  using Table = std::map<std::string, std::vector<std::size_t>, std::less<>>;

  static std::span<const std::size_t> find_in(const Table& table, std::string_view key);

  Table exact_;
  Table wildcards_;  // by the name behind "*", such as ".example.com"
};

}  // namespace knul::quic
