#include "stats/histogram.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace knul::stats {
namespace {

using namespace std::chrono_literals;
using Layout = HistogramLayout;

HistogramSnapshot recorded(std::initializer_list<base::Duration> latencies) {
  LatencyHistogram histogram;
  for (const base::Duration latency : latencies) {
    histogram.record(latency);
  }
  HistogramSnapshot snapshot;
  histogram.add_to(snapshot);
  return snapshot;
}

TEST(HistogramLayout, UpperBoundBelongsToItsBucketAndTheNextValueToTheNextOne) {
  for (std::size_t bucket = 0; bucket < Layout::kOverflow; ++bucket) {
    const std::uint64_t bound = Layout::upper_bound(bucket);
    EXPECT_EQ(Layout::bucket_of(bound), bucket);
    EXPECT_EQ(Layout::bucket_of(bound + 1), bucket + 1);
  }
}

TEST(HistogramLayout, CoversOneMicrosecondToNineteenHours) {
  EXPECT_EQ(Layout::upper_bound(0), 1024u);
  EXPECT_EQ(Layout::upper_bound(Layout::kOverflow - 1), 70'368'744'177'664u);
  EXPECT_EQ(Layout::bucket_of(UINT64_MAX), Layout::kOverflow);
}

TEST(HistogramLayout, BucketsAreAtMostAnEighthOfTheirValueWide) {
  for (std::size_t bucket = 1; bucket < Layout::kOverflow; ++bucket) {
    const std::uint64_t lower = Layout::upper_bound(bucket - 1);
    EXPECT_LE((Layout::upper_bound(bucket) - lower) * 8, lower);
  }
}

TEST(LatencyHistogram, CountsAndAddsUpWhatItRecorded) {
  const HistogramSnapshot snapshot = recorded({1ms, 2ms, 6ms});
  EXPECT_EQ(snapshot.count(), 3u);
  EXPECT_EQ(snapshot.sum_nanoseconds(), 9'000'000u);
  EXPECT_DOUBLE_EQ(snapshot.mean_ms(), 3.0);
}

TEST(LatencyHistogram, CountsANegativeLatencyAsZero) {
  const HistogramSnapshot snapshot = recorded({-5ms});
  EXPECT_EQ(snapshot.bucket(0), 1u);
  EXPECT_EQ(snapshot.sum_nanoseconds(), 0u);
}

TEST(HistogramSnapshot, IsAllZeroWithoutValues) {
  const HistogramSnapshot snapshot;
  EXPECT_EQ(snapshot.mean_ms(), 0.0);
  EXPECT_EQ(snapshot.quantile_ms(0.99), 0.0);
}

TEST(HistogramSnapshot, QuantilesOfAnEvenSpreadAreWithinAnEighth) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 10'000; ++i) {
    histogram.record(std::chrono::microseconds(i * 10));
  }
  HistogramSnapshot snapshot;
  histogram.add_to(snapshot);
  EXPECT_NEAR(snapshot.quantile_ms(0.50), 50.0, 50.0 / 8);
  EXPECT_NEAR(snapshot.quantile_ms(0.90), 90.0, 90.0 / 8);
  EXPECT_NEAR(snapshot.quantile_ms(0.99), 99.0, 99.0 / 8);
}

TEST(HistogramSnapshot, QuantilesFallIntoTheBucketOfASingleValue) {
  const HistogramSnapshot snapshot = recorded({3ms});
  for (const double p : {-1.0, 0.0, 0.5, 1.0, 2.0}) {
    EXPECT_NEAR(snapshot.quantile_ms(p), 3.0, 3.0 / 8);
  }
}

TEST(HistogramSnapshot, ReportsOverflowAsTheHighestBound) {
  EXPECT_DOUBLE_EQ(recorded({30h}).quantile_ms(0.5), 70'368'744.177664);
}

}  // namespace
}  // namespace knul::stats
