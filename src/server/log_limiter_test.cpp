#include "server/log_limiter.hpp"

#include <gtest/gtest.h>

namespace knul::server {
namespace {

using base::LogKind;

base::Instant after(std::chrono::milliseconds duration) {
  return base::Instant{} + std::chrono::hours(1) + duration;
}

std::uint64_t taken(LogLimiter& limiter, LogKind kind, base::Instant at, int count) {
  std::uint64_t admitted = 0;
  for (int i = 0; i < count; ++i) {
    admitted += limiter.take(kind, at) ? 1 : 0;
  }
  return admitted;
}

TEST(LogLimiter, AdmitsABurstAndThenOneMessageASecond) {
  LogLimiter limiter;
  EXPECT_EQ(taken(limiter, LogKind::kAlpnRefused, after({}), 1'000), 10U);
  EXPECT_EQ(taken(limiter, LogKind::kAlpnRefused, after(std::chrono::milliseconds(999)), 1'000), 0U);
  EXPECT_EQ(taken(limiter, LogKind::kAlpnRefused, after(std::chrono::milliseconds(1'000)), 1'000), 1U);
  EXPECT_EQ(taken(limiter, LogKind::kAlpnRefused, after(std::chrono::seconds(60)), 1'000), 10U);
}

TEST(LogLimiter, CountsTheMessagesThatWereLeftOutOfEachKindOnce) {
  LogLimiter limiter;
  taken(limiter, LogKind::kAlpnRefused, after({}), 17);
  EXPECT_EQ(limiter.take_left_out(LogKind::kAlpnRefused), 7U);
  EXPECT_EQ(limiter.take_left_out(LogKind::kAlpnRefused), 0U);
  EXPECT_EQ(limiter.left_out(), 7U);
}

TEST(LogLimiter, KeepsAFloodOfOneKindFromTheOthers) {
  LogLimiter limiter;
  taken(limiter, LogKind::kAlpnRefused, after({}), 1'000);
  EXPECT_TRUE(limiter.take(LogKind::kNotAccepted, after({})));
  EXPECT_EQ(limiter.take_left_out(LogKind::kNotAccepted), 0U);
}

}  // namespace
}  // namespace knul::server
