// Counts durations in buckets of about 1.6 % width, so that memory does not grow with their number.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace knul::cli {

class LatencyHistogram {
 public:
  void record(std::chrono::nanoseconds latency) {
    ++buckets_[index_of(static_cast<std::uint64_t>(latency.count() < 0 ? 0 : latency.count()))];
    ++count_;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

  // The upper end of the bucket of the quantile `fraction` (0..1); 0 without durations.
  [[nodiscard]] std::chrono::nanoseconds quantile(double fraction) const {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      seen += buckets_[index];
      if (seen > wanted || (seen == count_ && seen > 0)) {
        return std::chrono::nanoseconds(upper_end(index));
      }
    }
    return {};
  }

 private:
  static constexpr std::size_t kSubBits = 6;  // 64 buckets per power of two
  static constexpr std::size_t kSub = std::size_t{1} << kSubBits;

  // A value below 2 * kSub has its own bucket. For larger values, the leading kSubBits + 1 bits choose it.
  static std::size_t index_of(std::uint64_t value) {
    const int shift = static_cast<int>(std::bit_width(value | kSub)) - static_cast<int>(kSubBits) - 1;
    return static_cast<std::size_t>(shift) * kSub + static_cast<std::size_t>(value >> shift);
  }
  static std::int64_t upper_end(std::size_t index) {
    if (index < 2 * kSub) {
      return static_cast<std::int64_t>(index);
    }
    const std::size_t shift = index / kSub - 1;
    return static_cast<std::int64_t>(((index % kSub + kSub + 1) << shift) - 1);
  }

  std::array<std::uint64_t, (64 - kSubBits + 1) * kSub> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace knul::cli
