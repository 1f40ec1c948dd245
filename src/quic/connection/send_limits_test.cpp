#include "quic/connection/send_limits.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

double share(const SendLimitTimes::Shares& shares, SendLimit limit) {
  return shares[static_cast<std::size_t>(limit)];
}

class SendLimitTimesTest : public testing::Test {
 protected:
  void run(base::Duration time) { now_ += time; }
  void change(SendLimit next) { times_.change(next, now_, counters_); }

  base::Instant now_{1h};
  stats::WorkerCounters counters_;
  SendLimitTimes times_{now_};
};

TEST_F(SendLimitTimesTest, BeginsWithNothingToSend) {
  EXPECT_EQ(share(times_.shares(now_), SendLimit::kApplication), 1.0);
}

TEST_F(SendLimitTimesTest, SharesTheTimeUpToTheMomentOfTheQuestion) {
  run(1s);
  change(SendLimit::kPacing);
  run(3s);
  EXPECT_NEAR(share(times_.shares(now_), SendLimit::kApplication), 0.25, 1e-4);
  EXPECT_NEAR(share(times_.shares(now_), SendLimit::kPacing), 0.75, 1e-4);
}

TEST_F(SendLimitTimesTest, CountsForTheServerWhenTheLimitChanges) {
  run(1s);
  change(SendLimit::kPacing);
  run(3s);
  EXPECT_EQ(counters_.send_limited_us_application.load(), 1'000'000U);
  EXPECT_EQ(counters_.send_limited_us_pacing.load(), 0U);
  change(SendLimit::kWorker);
  EXPECT_EQ(counters_.send_limited_us_pacing.load(), 3'000'000U);
}

TEST_F(SendLimitTimesTest, LosesNoTimeToRounding) {
  for (int i = 0; i < 1'000'000; ++i) {
    run(base::Duration(1'300));
    change(i % 2 == 0 ? SendLimit::kPacing : SendLimit::kApplication);
  }
  const std::uint64_t counted =
      counters_.send_limited_us_application.load() + counters_.send_limited_us_pacing.load();
  EXPECT_NEAR(static_cast<double>(counted), 1.3e6, 1);
}

TEST_F(SendLimitTimesTest, TakesTheTimeOfAFullSocketFromTheLimitThatWasThere) {
  change(SendLimit::kWorker);
  run(10ms);
  times_.note_socket(4ms, now_, counters_);
  EXPECT_NEAR(share(times_.shares(now_), SendLimit::kSocket), 0.4, 0.01);
  EXPECT_NEAR(share(times_.shares(now_), SendLimit::kWorker), 0.6, 0.01);
  times_.note_socket(4ms, now_, counters_);  // the same again
  EXPECT_NEAR(share(times_.shares(now_), SendLimit::kSocket), 0.4, 0.01);
}

TEST_F(SendLimitTimesTest, DoesNotTakeMoreForTheSocketThanTheConnectionWaited) {
  change(SendLimit::kWorker);
  run(1ms);
  times_.note_socket(10s, now_, counters_);
  EXPECT_EQ(counters_.send_limited_us_socket.load(), 1'000U);
}

TEST_F(SendLimitTimesTest, KeepsTheSharesOfMonths) {
  constexpr int kDays = 100;
  for (int day = 0; day < kDays; ++day) {
    change(SendLimit::kConnectionWindow);
    run(18h);
    change(SendLimit::kApplication);
    run(6h);
  }
  EXPECT_NEAR(share(times_.shares(now_), SendLimit::kConnectionWindow), 0.75, 0.15);
  EXPECT_EQ(counters_.send_limited_us_connection_window.load(), kDays * 18ULL * 3'600 * 1'000'000);
}

}  // namespace
}  // namespace knul::quic
