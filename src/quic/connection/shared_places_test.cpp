#include "quic/connection/shared_places.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

namespace knul::quic {
namespace {

struct Places {
  explicit Places(std::uint64_t limit) : shared(limit) {}
  ~Places() {
    for (SharedPlaces::Place& place : made)
      shared.leave(place);
  }

  SharedPlaces::Place& take(SharedPlaces::Holder& holder) {
    shared.take(made.emplace_back(), holder);
    return made.back();
  }
  // Evicts as the endpoint does.
  SharedPlaces::Place& evict_and_take(SharedPlaces::Holder& holder) {
    if (SharedPlaces::Place* const goer = shared.to_evict_for(holder)) {
      shared.leave(*goer);
    }
    return take(holder);
  }

  SharedPlaces shared;
  SharedPlaces::Holder one, other, third;
  std::deque<SharedPlaces::Place> made;
};

TEST(SharedPlaces, LeavesAnEighthToOtherSourcesThanOne) {
  Places all(800);
  SharedPlaces::Place& oldest = all.evict_and_take(all.one);
  for (int i = 1; i < 700; ++i) {
    all.evict_and_take(all.one);
  }
  EXPECT_EQ(all.one.count(), 700U);
  EXPECT_EQ(all.shared.to_evict_for(all.one), &oldest) << "it gives up its own";
  EXPECT_EQ(all.shared.to_evict_for(all.other), nullptr) << "some are free for others";
}

TEST(SharedPlaces, LetsASourceHaveAllOfAFew) {
  Places all(4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(all.shared.to_evict_for(all.one), nullptr);
    all.take(all.one);
  }
}

TEST(SharedPlaces, TakesTheOldestOfTheSourceThatHasMostWhereNothingIsFree) {
  Places all(40);
  all.take(all.other);
  SharedPlaces::Place& oldest = all.take(all.one);
  while (!all.shared.is_full()) {
    all.take(all.one);
  }
  EXPECT_EQ(all.shared.to_evict_for(all.other), &oldest);
  EXPECT_EQ(all.shared.to_evict_for(all.third), &oldest);
  EXPECT_EQ(all.shared.to_evict_for(all.one), &oldest);
  EXPECT_EQ(all.shared.to_evict_of_others(&all.one), nullptr);
  EXPECT_EQ(all.shared.to_evict_of_others(nullptr), &oldest);
  all.shared.renew(oldest);
  EXPECT_NE(all.shared.to_evict_for(all.third), &oldest);
}

TEST(SharedPlaces, TakesNoneOfASourceThatHasLessThanAboutTwiceAsMany) {
  Places all(22);
  for (int i = 0; i < 7; ++i) {
    all.take(all.other);
  }
  SharedPlaces::Place& oldest = all.take(all.one);
  while (!all.shared.is_full()) {
    all.take(all.one);
  }
  ASSERT_EQ(all.one.count(), 15U);
  EXPECT_EQ(all.shared.to_evict_of_others(&all.other), &oldest);
  all.take(all.other);
  EXPECT_EQ(all.shared.to_evict_of_others(&all.other), nullptr);
}

TEST(SharedPlaces, NeverExceedsItsLimitAndLeavesSomeToEachSource) {
  constexpr std::uint64_t kSeed = 7;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  Places all(64);
  std::vector<SharedPlaces::Holder> holders(20);
  const auto used = [&holders] {
    std::uint64_t count = 0;
    for (const SharedPlaces::Holder& holder : holders) {
      count += holder.count();
    }
    return count;
  };
  for (int i = 0; i < 20'000; ++i) {
    // The first holder takes most.
    const std::size_t which = random() % 4 == 0 ? random() % holders.size() : 0;
    SharedPlaces::Place& place = all.evict_and_take(holders[which]);
    ASSERT_LE(used(), 64U);
    ASSERT_TRUE(place.is_held_by(holders[which]));
    if (random() % 8 == 0) {
      all.shared.leave(all.made[random() % all.made.size()]);
    }
  }
  for (const SharedPlaces::Holder& holder : holders) {
    EXPECT_GT(holder.count(), 0U);
  }
  for (SharedPlaces::Place& place : all.made) {
    all.shared.leave(place);
  }
  EXPECT_EQ(used(), 0U);
}

}  // namespace
}  // namespace knul::quic
