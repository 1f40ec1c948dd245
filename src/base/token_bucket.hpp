// A rate limit with a burst: `rate` tokens a second, at most `burst` at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace knul::base {

// Thread: one.
class TokenBucket {
 public:
  // rate_per_second >= 1, burst >= 1.
  TokenBucket(std::uint32_t rate_per_second, std::uint32_t burst)
      : interval_(std::chrono::nanoseconds(1'000'000'000 / rate_per_second)), depth_(interval_ * burst) {}

  // Takes `count` tokens if the bucket has at least one. Missing tokens become a debt, which later calls wait
  // for; so a call for many tokens succeeds as often as a call for one. `now` never goes backwards.
  bool take(Instant now, std::uint32_t count = 1) {
    // Virtual scheduling: next_ is the time when the bucket will be full again.
    const Instant start = std::max(next_, now);
    if (start - now + interval_ > depth_) {
      return false;
    }
    next_ = start + interval_ * count;
    return true;
  }

  // True if at least half of the burst would be left after a token is taken.
  [[nodiscard]] bool is_half_full(Instant now) const {
    return std::max(next_, now) - now + interval_ <= depth_ / 2;
  }

 private:
  Duration interval_;
  Duration depth_;
  Instant next_{};
};

}  // namespace knul::base
