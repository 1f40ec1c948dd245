#include "channel/consumer_watch.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <utility>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

using State = Core::State;
constexpr int kPeriods = 5;

// A channel with an unread event.
struct Watched {
  explicit Watched(WakeKind wake = WakeKind::kNone,
                   std::chrono::milliseconds timeout = kPeriods * ConsumerWatch::kPeriod)
      : parts([=](Settings& settings) {
          settings.wake = wake;
          settings.consumer_timeout = timeout;
        }),
        wake_fd(parts.core->wake.take_program_end()) {
    publish();
  }
  ~Watched() { hang_up(); }
  void hang_up() {
    if (wake_fd >= 0) {
      ::close(std::exchange(wake_fd, -1));
    }
  }
  void publish() {
    parts.events.push(parts.events.make(KREPIS_EVENT_DATAGRAM, 1U));
    (void)parts.ring.publish();
  }
  State check(int periods) {
    State found = State::kOpen;
    for (int i = 0; i < periods && found == State::kOpen; ++i) {
      found = watch.check();
    }
    return found;
  }

  BareWorker parts;
  int wake_fd;
  ConsumerWatch watch{*parts.core, parts.ring};
};

TEST(ConsumerWatch, FindsAConsumerSilentAfterItsTimeoutAndNotEarlier) {
  Watched all;
  EXPECT_EQ(all.check(kPeriods - 1), State::kOpen);
  EXPECT_EQ(all.check(1), State::kTimedOut);
}

TEST(ConsumerWatch, CountsCallsAndReadEventsAsActivity) {
  Watched calling, reading;
  EXPECT_EQ(calling.check(kPeriods - 1), State::kOpen);
  calling.parts.core->calls.fetch_add(1);
  EXPECT_EQ(calling.check(kPeriods), State::kOpen);  // the first check sees the call
  EXPECT_EQ(calling.check(1), State::kTimedOut);
  EXPECT_EQ(reading.check(kPeriods - 1), State::kOpen);
  reading.parts.read_all();
  reading.publish();
  EXPECT_EQ(reading.check(kPeriods), State::kOpen);
  EXPECT_EQ(reading.check(1), State::kTimedOut);
}

TEST(ConsumerWatch, IsNotNeededWithoutEventsAndWhileTheServerDrains) {
  Watched idle, draining;
  EXPECT_TRUE(idle.watch.is_needed());
  idle.parts.read_all();
  EXPECT_FALSE(idle.watch.is_needed());
  draining.parts.core->is_draining = true;
  EXPECT_FALSE(draining.watch.is_needed());
  EXPECT_EQ(draining.check(10 * kPeriods), State::kOpen);
}

TEST(ConsumerWatch, CountsNoSilenceFromBeforeAPauseOfTheWatch) {
  Watched all;
  EXPECT_EQ(all.check(kPeriods - 1), State::kOpen);
  all.parts.core->is_draining = true;
  EXPECT_EQ(all.check(1), State::kOpen);
  all.parts.core->is_draining = false;
  EXPECT_EQ(all.check(kPeriods - 1), State::kOpen);
  EXPECT_EQ(all.check(1), State::kTimedOut);
}

TEST(ConsumerWatch, WaitsForASilentConsumerWithoutTimeoutUntilItHangsUp) {
  Watched all(WakeKind::kSocketPair, Settings::kNoConsumerTimeout);
  EXPECT_EQ(all.check(10'000), State::kOpen);
  all.hang_up();
  EXPECT_TRUE(all.watch.has_hung_up());
  EXPECT_EQ(all.check(1), State::kHungUp);
}

}  // namespace
}  // namespace knul::channel
