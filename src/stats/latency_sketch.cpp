#include "stats/latency_sketch.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace knul::stats {

std::uint64_t LatencySketch::weight() const {
  return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

void LatencySketch::halve() {
  for (std::uint16_t& bucket : buckets_) {
    bucket = static_cast<std::uint16_t>((bucket + 1U) / 2);
  }
}

// Few values stay in the bucket at the edge. If they are more than an eighth, the buckets move by a power of
// two, and those that leave at the other edge become one.
void LatencySketch::record_outside(unsigned step) {
  constexpr unsigned kMove = 1U << kStepBits;
  constexpr std::uint64_t kFew = 32;  // values that show nothing yet
  const bool is_below = step < first_step_;
  const unsigned edge = is_below ? 0 : kBuckets - 1;
  add_to(edge);
  const std::uint64_t values = weight();
  if (values < kFew || std::uint64_t{8} * buckets_[edge] <= values) {
    return;
  }
  const auto merge = [](auto first, auto last) {
    const unsigned sum = std::accumulate(first, last, 0U);
    std::fill(first, last, std::uint16_t{0});
    return static_cast<std::uint16_t>(std::min<unsigned>(sum, UINT16_MAX - 1));
  };
  if (is_below) {
    const auto move = static_cast<std::uint8_t>(std::min<unsigned>(first_step_, kMove));
    const std::uint16_t highest = merge(buckets_.end() - move - 1, buckets_.end());
    std::shift_right(buckets_.begin(), buckets_.end(), move);
    std::fill_n(buckets_.begin(), move, std::uint16_t{0});
    buckets_.back() = highest;
    first_step_ = static_cast<std::uint8_t>(first_step_ - move);
  } else {
    const std::uint16_t lowest = merge(buckets_.begin(), buckets_.begin() + kMove + 1);
    std::shift_left(buckets_.begin(), buckets_.end(), kMove);
    std::fill(buckets_.end() - kMove, buckets_.end(), std::uint16_t{0});
    buckets_.front() = lowest;
    first_step_ = static_cast<std::uint8_t>(first_step_ + kMove);
  }
}

double LatencySketch::quantile_ms(double p) const {
  const std::uint64_t values = weight();
  if (values == 0) {
    return 0.0;
  }
  const double rank =
      std::clamp(std::ceil(p * static_cast<double>(values)), 1.0, static_cast<double>(values));
  double before = 0;
  unsigned bucket = 0;
  while (before + buckets_[bucket] < rank) {
    before += buckets_[bucket++];
  }
  const auto max = static_cast<double>(max_nanoseconds_);
  const auto lower = static_cast<double>(lower_bound(first_step_ + bucket));
  const double upper =
      bucket == kBuckets - 1 ? max : static_cast<double>(lower_bound(first_step_ + bucket + 1));
  const double share = (rank - before - 0.5) / buckets_[bucket];
  return std::min(max, lower + (upper - lower) * share) / 1e6;
}

}  // namespace knul::stats
