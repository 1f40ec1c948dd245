// A small histogram of the latencies of one connection: four equal steps per power of two, over ten powers of
// two. A quantile is interpolated within its step, which is 25 % wide at most.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace knul::stats {

// Thread: one. Size: 104 bytes, allocates nothing.
class LatencySketch {
 public:
  // A negative duration counts as 0.
  void record(base::Duration latency) {
    const auto nanoseconds = static_cast<std::uint64_t>(latency.count() < 0 ? 0 : latency.count());
    const unsigned step = step_of(nanoseconds);
    if (count_ == 0) {
      first_step_ = static_cast<std::uint8_t>(step < kBelowFirst ? 0 : step - kBelowFirst);
    }
    ++count_;
    max_nanoseconds_ = nanoseconds > max_nanoseconds_ ? nanoseconds : max_nanoseconds_;
    const unsigned bucket = step - first_step_;
    if (bucket >= kBuckets) [[unlikely]] {
      return record_outside(step);
    }
    add_to(bucket);
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // 0 without a value, as of the quantile.
  [[nodiscard]] double max_ms() const { return static_cast<double>(max_nanoseconds_) / 1e6; }
  // `p` in [0, 1], in ms. After 65,535 values in one step the counts are halved, so that recent values weigh
  // more. Weak case: beyond ten powers of two, an eighth of the values at most is taken for faster or slower
  // than it was, but not for slower than max_ms().
  [[nodiscard]] double quantile_ms(double p) const;

 private:
  static constexpr unsigned kStepBits = 2;
  static constexpr unsigned kBuckets = 40;
  // The first request of a connection is often slow, so more steps lie below its latency than above.
  static constexpr unsigned kBelowFirst = 28;

  static constexpr unsigned step_of(std::uint64_t nanoseconds) {
    if (nanoseconds < (1U << kStepBits)) {
      return static_cast<unsigned>(nanoseconds);
    }
    const unsigned exponent = static_cast<unsigned>(std::bit_width(nanoseconds)) - 1;
    const auto step = static_cast<unsigned>(nanoseconds >> (exponent - kStepBits)) & ((1U << kStepBits) - 1);
    return ((exponent - kStepBits + 1) << kStepBits) + step;
  }
  // The smallest value of a step, in ns.
  static constexpr std::uint64_t lower_bound(unsigned step) {
    if (step < (1U << kStepBits)) {
      return step;
    }
    const unsigned shift = (step >> kStepBits) - 1;
    return std::uint64_t{(1U << kStepBits) + (step & ((1U << kStepBits) - 1))} << shift;
  }

  void add_to(unsigned bucket) {
    if (++buckets_[bucket] == UINT16_MAX) [[unlikely]] {
      halve();
    }
  }
  [[gnu::cold]] void record_outside(unsigned step);
  [[gnu::cold]] void halve();
  [[nodiscard]] std::uint64_t weight() const;

  // The first and the last bucket also hold the values outside all steps.
  std::array<std::uint16_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_nanoseconds_ = 0;
  std::uint8_t first_step_ = 0;
};

static_assert(sizeof(LatencySketch) == 104);

}  // namespace knul::stats
