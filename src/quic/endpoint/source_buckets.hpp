// Token buckets for source addresses in fixed memory. The keyed hash of an address chooses its bucket, which
// it shares with a few other addresses.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/siphash.hpp"
#include "base/time.hpp"
#include "quic/connection/source_table.hpp"

namespace knul::quic {

constexpr std::size_t kSourceSlots = 1'024;

[[nodiscard]] inline std::size_t source_slot(const base::SipKey& key, const base::SocketAddress& address) {
  return base::siphash13(key, source_prefix(address)) % kSourceSlots;
}

// Thread: one.
class SourceBuckets {
 public:
  // Both for each slot; rate_per_second >= 1, burst >= 1.
  SourceBuckets(std::uint32_t rate_per_second, std::uint32_t burst)
      : interval_(std::chrono::nanoseconds(1'000'000'000 / rate_per_second)), depth_(interval_ * burst) {}

  // As in base::TokenBucket::take.
  [[nodiscard]] bool take(std::size_t slot, base::Instant now) {
    const base::Instant start = std::max(next_[slot], now);
    if (start - now + interval_ > depth_) {
      return false;
    }
    next_[slot] = start + interval_;
    return true;
  }

 private:
  const base::Duration interval_;
  const base::Duration depth_;
  std::array<base::Instant, kSourceSlots> next_{};
};

}  // namespace knul::quic
