// Connection IDs (RFC 9000 §5.1): the value, its hash for tables, and the codec that puts the owning worker
// into the IDs that this side chooses.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/random.hpp"
#include "base/siphash.hpp"
#include "base/worker_limit.hpp"

namespace knul::quic {

// At most 20 bytes (RFC 9000 §17.2). Longer IDs belong to unknown versions and are handled before this.
class ConnectionId {
 public:
  ConnectionId() = default;
  // Requires bytes.size() <= NGTCP2_MAX_CIDLEN.
  explicit ConnectionId(std::span<const std::uint8_t> bytes);
  explicit ConnectionId(const ngtcp2_cid& cid) : ConnectionId(std::span(cid.data, cid.datalen)) {}

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), length_}; }
  [[nodiscard]] ngtcp2_cid to_ngtcp2() const;

  friend bool operator==(const ConnectionId& a, const ConnectionId& b) {
    return std::ranges::equal(a.bytes(), b.bytes());
  }

 private:
  std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> bytes_{};
  std::uint8_t length_ = 0;
};

// Keyed, because the client chooses the first connection ID and could force collisions.
struct ConnectionIdHash {
  base::SipKey key;
  std::size_t operator()(const ConnectionId& id) const { return base::siphash13(key, id.bytes()); }
};

// Invariant: byte 0 modulo the number of workers is the owner; the other bytes are random. The kernel's
// steering program applies the same rule, see quic/wire/steering.hpp.
class ConnectionIdCodec {
 public:
  static constexpr std::size_t kLength = 8;
  static_assert(base::kMostWorkers <= 256);

  // Requires worker < workers and 1 <= workers <= base::kMostWorkers.
  ConnectionIdCodec(unsigned worker, unsigned workers) : worker_(worker), workers_(workers) {}

  [[nodiscard]] ConnectionId generate(base::RandomSource& random) const;
  // Requires at least one byte in `id`.
  [[nodiscard]] unsigned worker_of(std::span<const std::uint8_t> id) const { return id[0] % workers_; }
  [[nodiscard]] unsigned worker() const { return worker_; }

 private:
  unsigned worker_;
  unsigned workers_;
};

}  // namespace knul::quic
