// SipHash-1-3 (Aumasson and Bernstein): a keyed hash for tables with keys that a peer chooses. A peer does
// not know the hash key and cannot choose colliding keys, so a table of connection IDs stays O(1).
#pragma once

#include <cstdint>
#include <span>

namespace knul::base {

struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

[[nodiscard]] std::uint64_t siphash13(const SipKey& key, std::span<const std::uint8_t> bytes);

}  // namespace knul::base
