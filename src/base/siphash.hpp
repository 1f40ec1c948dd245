// SipHash-1-3 (Aumasson and Bernstein): a keyed hash for tables whose keys the peer chooses. Without the
// key nobody can make keys that collide, so a table of client-chosen connection IDs stays O(1).
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
