// Connections per source address, IPv6 by /64: what one customer of a provider usually has.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/make_room.hpp"
#include "base/siphash.hpp"
#include "base/socket_address.hpp"

namespace knul::quic {

// Thread: its endpoint's.
class AddressCounter {
 public:
  explicit AddressCounter(base::SipKey key) : counts_(0, Hash{key}) {}

  [[nodiscard]] std::uint64_t count(const base::SocketAddress& address) const {
    const auto found = counts_.find(prefix(address));
    return found == counts_.end() ? 0 : found->second;
  }
  // Throws std::bad_alloc, and then counts nothing.
  void add(const base::SocketAddress& address) {
    base::make_room(counts_);
    ++counts_[prefix(address)];
  }
  // Precondition: added before.
  void remove(const base::SocketAddress& address) {
    const auto found = counts_.find(prefix(address));
    if (found != counts_.end() && --found->second == 0) {
      counts_.erase(found);
    }
  }

 private:
  using Prefix = std::array<std::uint8_t, 9>;  // family, then 4 or 8 bytes
  struct Hash {
    base::SipKey key;
    std::size_t operator()(const Prefix& prefix) const { return base::siphash13(key, prefix); }
  };

  static Prefix prefix(const base::SocketAddress& address) {
    Prefix result{static_cast<std::uint8_t>(address.is_v6() ? 6 : 4)};
    const std::span<const std::uint8_t> bytes = address.ip_bytes().first(address.is_v6() ? 8 : 4);
    std::copy(bytes.begin(), bytes.end(), result.begin() + 1);
    return result;
  }

  absl::flat_hash_map<Prefix, std::uint64_t, Hash> counts_;
};

}  // namespace knul::quic
