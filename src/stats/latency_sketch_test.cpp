#include "stats/latency_sketch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace knul::stats {
namespace {

using base::Duration;

struct Shape {
  const char* name;
  double median_ms;
  double spread;      // sigma of the logarithm
  double first_ms;    // the first value; the others follow the distribution
  double slow_share;  // of values a thousand times slower
};

class LatencySketchOf : public testing::TestWithParam<Shape> {};

TEST_P(LatencySketchOf, HasQuantilesWithinATenthOfTheExactOnes) {
  const Shape& shape = GetParam();
  std::mt19937_64 random(20'261'130);
  std::normal_distribution<double> normal(std::log(shape.median_ms), shape.spread);
  std::bernoulli_distribution is_slow(shape.slow_share);
  LatencySketch sketch;
  std::vector<double> exact;
  for (int i = 0; i < 50'000; ++i) {
    const double ms = i == 0 ? shape.first_ms : std::exp(normal(random)) * (is_slow(random) ? 1'000 : 1);
    sketch.record(Duration(static_cast<std::int64_t>(ms * 1e6)));
    exact.push_back(ms);
  }
  std::ranges::sort(exact);
  EXPECT_EQ(sketch.count(), exact.size());
  EXPECT_NEAR(sketch.max_ms(), exact.back(), exact.back() * 1e-3);
  for (const double p : {0.5, 0.9}) {
    const double expected = exact[static_cast<std::size_t>(p * static_cast<double>(exact.size()))];
    EXPECT_NEAR(sketch.quantile_ms(p), expected, expected * 0.1) << "p" << p * 100;
  }
}

INSTANTIATE_TEST_SUITE_P(Distributions, LatencySketchOf,
                         testing::Values(Shape{"narrow", 0.3, 0.1, 0.3, 0}, Shape{"usual", 2, 0.7, 2, 0},
                                         Shape{"wide", 20, 1.5, 20, 0}, Shape{"slow_first", 0.2, 0.5, 900, 0},
                                         Shape{"fast_first", 800, 0.5, 0.01, 0},
                                         Shape{"outliers", 0.5, 0.3, 0.5, 0.02},
                                         Shape{"microseconds", 0.001, 0.4, 0.001, 0}),
                         [](const auto& shape) { return shape.param.name; });

TEST(LatencySketchTest, IsZeroWithoutAValue) {
  const LatencySketch sketch;
  EXPECT_EQ(sketch.count(), 0U);
  EXPECT_EQ(sketch.quantile_ms(0.5), 0.0);
  EXPECT_EQ(sketch.max_ms(), 0.0);
}

TEST(LatencySketchTest, NoQuantileOfAnyValuesIsAboveTheirMaximum) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    LatencySketch sketch;
    std::uniform_int_distribution<int> bits(0, 62);
    std::int64_t max = 0;
    for (int i = 0; i < 500; ++i) {
      const auto value = static_cast<std::int64_t>(random() >> bits(random) >> 1);
      max = std::max(max, value);
      sketch.record(Duration(value));
      EXPECT_LE(sketch.quantile_ms(0.99), static_cast<double>(max) / 1e6 * 1.000'001);
    }
    EXPECT_LE(sketch.quantile_ms(0.5), sketch.quantile_ms(0.9));
    EXPECT_LE(sketch.quantile_ms(0.9), sketch.quantile_ms(0.99));
  }
}

TEST(LatencySketchTest, TakesNegativeLatenciesForZero) {
  LatencySketch sketch;
  sketch.record(Duration(-5));
  EXPECT_EQ(sketch.count(), 1U);
  EXPECT_EQ(sketch.quantile_ms(1), 0.0);
}

}  // namespace
}  // namespace knul::stats
