#include "stats/counter.hpp"

#include <gtest/gtest.h>

namespace knul::stats {
namespace {

TEST(Counter, AddsOneUnlessToldOtherwise) {
  Counter counter;
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.load(), 42u);
}

TEST(Gauge, GoesUpAndDown) {
  Gauge gauge;
  gauge.set(10);
  gauge.add(5);
  gauge.sub();
  EXPECT_EQ(gauge.load(), 14u);
}

TEST(Gauge, RaisedOnOneWorkerAndLoweredOnAnotherSumsToTheTruth) {
  Gauge first;
  Gauge second;
  first.add(3);
  second.sub(2);
  EXPECT_EQ(first.load() + second.load(), 1u);
}

}  // namespace
}  // namespace knul::stats
