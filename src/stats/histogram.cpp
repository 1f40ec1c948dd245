#include "stats/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace knul::stats {
namespace {

constexpr double kNanosecondsPerMs = 1e6;

}  // namespace

double HistogramSnapshot::mean_ms() const {
  if (count_ == 0)
    return 0.0;
  return static_cast<double>(sum_nanoseconds_) / static_cast<double>(count_) / kNanosecondsPerMs;
}

double HistogramSnapshot::quantile_ms(double p) const {
  if (count_ == 0)
    return 0.0;
  const double exact_rank = std::ceil(std::clamp(p, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact_rank), 1, count_);
  std::uint64_t before = 0;
  std::size_t bucket = 0;
  while (before + buckets_[bucket] < rank)
    before += buckets_[bucket++];
  const auto upper = static_cast<double>(HistogramLayout::upper_bound(bucket));
  if (bucket == HistogramLayout::kOverflow)
    return upper / kNanosecondsPerMs;
  const double lower = bucket == 0 ? 0.0 : static_cast<double>(HistogramLayout::upper_bound(bucket - 1));
  const double share = static_cast<double>(rank - before) / static_cast<double>(buckets_[bucket]);
  return (lower + (upper - lower) * share) / kNanosecondsPerMs;
}

void LatencyHistogram::add_to(HistogramSnapshot& snapshot) const {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const std::uint64_t value = buckets_[i].load();
    snapshot.buckets_[i] += value;
    snapshot.count_ += value;
  }
  snapshot.sum_nanoseconds_ += sum_nanoseconds_.load();
}

}  // namespace knul::stats
