#include "cli/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace knul::cli {
namespace {

using std::chrono::nanoseconds;

TEST(LatencyHistogram, IsZeroWhenEmpty) { EXPECT_EQ(LatencyHistogram().quantile(0.5).count(), 0); }

TEST(LatencyHistogram, GivesSingleValuesBackWithinTwoPercent) {
  for (double value = 1; value < 1e12; value *= 1.37) {
    LatencyHistogram histogram;
    histogram.record(nanoseconds(static_cast<std::int64_t>(value)));
    EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5).count()), std::floor(value), 1 + 0.02 * value);
  }
}

TEST(LatencyHistogram, SortsQuantiles) {
  LatencyHistogram histogram;
  for (int value = 1; value <= 1'000; ++value) {
    histogram.record(std::chrono::microseconds(value));
  }
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5).count()), 500e3, 10e3);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.99).count()), 990e3, 20e3);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(1).count()), 1'000e3, 20e3);
  EXPECT_EQ(histogram.count(), 1'000U);
}

TEST(LatencyHistogram, TakesTheLargestDuration) {
  LatencyHistogram histogram;
  histogram.record(nanoseconds::max());
  EXPECT_GT(histogram.quantile(0.5).count(), nanoseconds::max().count() / 2);
}

}  // namespace
}  // namespace knul::cli
