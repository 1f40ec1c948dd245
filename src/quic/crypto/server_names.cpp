#include "quic/crypto/server_names.hpp"

#include <algorithm>

namespace knul::quic {

std::string normalized_server_name(std::string_view name) {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  std::string normalized(name);
  // ASCII only, and independent of the locale: other letters are encoded (RFC 5890 §2.3.2.1).
  std::ranges::transform(normalized, normalized.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return normalized;
}

void ServerNames::add(std::string_view name, std::size_t index) {
  const bool is_wildcard = name.starts_with("*.");
  const std::string_view key = is_wildcard ? name.substr(1) : name;
  if (key.size() > 1 && key.find('*') == std::string_view::npos) {
    (is_wildcard ? wildcards_ : exact_)[std::string(key)].push_back(index);
  }
}

std::span<const std::size_t> ServerNames::find(std::string_view name) const { return find_in(exact_, name); }

std::span<const std::size_t> ServerNames::find_wildcard(std::string_view name) const {
  const std::size_t dot = name.find('.');
  if (dot == 0 || dot == std::string_view::npos) {
    return {};
  }
  return find_in(wildcards_, name.substr(dot));
}

std::span<const std::size_t> ServerNames::find_in(const Table& table, std::string_view key) {
  const auto found = table.find(key);
  return found == table.end() ? std::span<const std::size_t>() : found->second;
}

}  // namespace knul::quic
