#include "base/token_bucket.hpp"

#include <gtest/gtest.h>

namespace knul::base {
namespace {

int taken(TokenBucket& bucket, Instant now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i)
    count += bucket.take(now) ? 1 : 0;
  return count;
}

TEST(TokenBucket, AllowsTheBurstAtOnceAndNoMore) {
  TokenBucket bucket(100, 20);
  EXPECT_EQ(taken(bucket, Instant(std::chrono::seconds(1)), 1'000), 20);
}

TEST(TokenBucket, RefillsAtItsRate) {
  TokenBucket bucket(100, 20);
  taken(bucket, Instant(std::chrono::seconds(1)), 1'000);
  EXPECT_EQ(taken(bucket, Instant(std::chrono::milliseconds(1'050)), 1'000), 5);
}

TEST(TokenBucket, GivesSeveralWhereThereIsOneAndTheNextWaits) {
  TokenBucket bucket(100, 20);
  const Instant now(std::chrono::seconds(1));
  EXPECT_EQ(taken(bucket, now, 19), 19);
  EXPECT_TRUE(bucket.take(now, 10));
  EXPECT_FALSE(bucket.take(now));
  EXPECT_FALSE(bucket.take(now + std::chrono::milliseconds(90)));
  EXPECT_TRUE(bucket.take(now + std::chrono::milliseconds(100)));
}

TEST(TokenBucket, HoldsNoMoreThanItsBurstAfterALongPause) {
  TokenBucket bucket(100, 20);
  EXPECT_EQ(taken(bucket, Instant(std::chrono::hours(10)), 1'000), 20);
}

TEST(TokenBucket, IsHalfFullUntilHalfOfItsBurstIsTaken) {
  TokenBucket bucket(100, 20);
  const Instant now(std::chrono::seconds(1));
  taken(bucket, now, 9);
  EXPECT_TRUE(bucket.is_half_full(now));
  taken(bucket, now, 1);
  EXPECT_FALSE(bucket.is_half_full(now));
  EXPECT_TRUE(bucket.is_half_full(now + std::chrono::milliseconds(10)));
}

}  // namespace
}  // namespace knul::base
