// Log-linear latency histogram: eight equal steps per power of two, from 1.024 µs to 19.5 hours, so that a
// quantile has a precision of 12.5 %. Larger values go to the overflow bucket and are reported as its lower
// bound.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"
#include "stats/counter.hpp"

namespace knul::stats {

// Invariant: bucket 0 holds values ≤ kLowest; bucket i holds (upper_bound(i - 1), upper_bound(i)]; the last
// bucket holds all values above kHighest. Upper bounds are inclusive, like OpenMetrics' `le`.
struct HistogramLayout {
  static constexpr unsigned kLowestBits = 10;
  static constexpr unsigned kHighestBits = 46;
  static constexpr unsigned kStepBits = 3;
  static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
  static constexpr std::size_t kOverflow = (kHighestBits - kLowestBits) * kSteps + 1;
  static constexpr std::size_t kBuckets = kOverflow + 1;
  static constexpr std::uint64_t kLowest = std::uint64_t{1} << kLowestBits;    // ns
  static constexpr std::uint64_t kHighest = std::uint64_t{1} << kHighestBits;  // ns

  static constexpr std::size_t bucket_of(std::uint64_t nanoseconds) {
    if (nanoseconds <= kLowest)
      return 0;
    if (nanoseconds > kHighest)
      return kOverflow;
    const std::uint64_t below = nanoseconds - 1;
    const unsigned exponent = static_cast<unsigned>(std::bit_width(below)) - 1;
    const std::size_t step = (below >> (exponent - kStepBits)) & (kSteps - 1);
    return (exponent - kLowestBits) * kSteps + step + 1;
  }

  // The largest value of a bucket in ns; kHighest for the overflow bucket.
  static constexpr std::uint64_t upper_bound(std::size_t bucket) {
    if (bucket == 0)
      return kLowest;
    if (bucket >= kOverflow)
      return kHighest;
    const std::size_t exponent = (bucket - 1) / kSteps + kLowestBits;
    const std::uint64_t step = (bucket - 1) % kSteps + 1;
    return (kSteps + step) << (exponent - kStepBits);
  }
};

// The values of one histogram, or the sum of several.
class HistogramSnapshot {
 public:
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t sum_nanoseconds() const { return sum_nanoseconds_; }
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const { return buckets_[index]; }
  // 0 without a value.
  [[nodiscard]] double mean_ms() const;
  // `p` in [0, 1]; interpolated inside the bucket, in ms; 0 without a value.
  [[nodiscard]] double quantile_ms(double p) const;

 private:
  friend class LatencyHistogram;

  // Invariant: count_ is the sum of buckets_.
  std::array<std::uint64_t, HistogramLayout::kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_nanoseconds_ = 0;
};

// Thread: record() on the owning thread only; add_to() on any, at any time.
class LatencyHistogram {
 public:
  // A negative duration counts as 0.
  void record(base::Duration latency) {
    const auto nanoseconds = static_cast<std::uint64_t>(latency.count() < 0 ? 0 : latency.count());
    buckets_[HistogramLayout::bucket_of(nanoseconds)].add();
    sum_nanoseconds_.add(nanoseconds);
  }
  // The count is the sum of the buckets as read, so that it never contradicts them.
  void add_to(HistogramSnapshot& snapshot) const;

 private:
  std::array<Counter, HistogramLayout::kBuckets> buckets_{};
  Counter sum_nanoseconds_;
};

}  // namespace knul::stats
