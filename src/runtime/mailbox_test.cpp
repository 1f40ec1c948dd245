#include "runtime/mailbox.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "posix/clock.hpp"
#include "runtime/poller.hpp"

namespace knul::runtime {
namespace {

using namespace std::chrono_literals;

class BoundedMailbox : public ::testing::Test {
 protected:
  bool is_signalled() {
    Poller poller = Poller::create().value();
    EXPECT_TRUE(poller.add(waker_->fd(), 1, {.read = true}));
    return !poller.wait(base::Instant{}).empty();
  }

  std::unique_ptr<Waker> waker_ = Waker::create().value();
};

TEST_F(BoundedMailbox, DeliversPostsInTheirOrder) {
  Mailbox<int> mailbox(8, *waker_);
  for (int lap = 0; lap < 5; ++lap) {
    for (int i = 0; i < 6; ++i) {
      ASSERT_TRUE(mailbox.try_post(int{i}));
    }
    std::vector<int> received;
    EXPECT_EQ(mailbox.drain([&](int&& mail) { received.push_back(mail); }), 6U);
    EXPECT_EQ(received, (std::vector{0, 1, 2, 3, 4, 5}));
  }
}

TEST_F(BoundedMailbox, RefusesAPostWhenFullAndLeavesItUntouched) {
  Mailbox<std::unique_ptr<int>> mailbox(2, *waker_);
  EXPECT_TRUE(mailbox.try_post(std::make_unique<int>(1)));
  EXPECT_TRUE(mailbox.try_post(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(mailbox.try_post(std::move(third)));
  ASSERT_NE(third, nullptr);
  mailbox.drain([](auto&&) {});
  EXPECT_TRUE(mailbox.try_post(std::move(third)));
}

TEST_F(BoundedMailbox, HoldsAtLeastItsCapacityEvenOfOne) {
  Mailbox<int> mailbox(1, *waker_);
  EXPECT_FALSE(mailbox.has_mail());
  std::vector<int> accepted;
  for (int mail = 0; mail < 5; ++mail) {
    if (mailbox.try_post(int{mail})) {
      accepted.push_back(mail);
    }
  }
  EXPECT_GE(accepted.size(), 1U);
  std::vector<int> received;
  mailbox.drain([&](int&& mail) { received.push_back(mail); });
  EXPECT_EQ(received, accepted);
  EXPECT_FALSE(mailbox.has_mail());
}

TEST_F(BoundedMailbox, EndsADrainWhileItsReceiverPostsMore) {
  Mailbox<int> mailbox(4, *waker_);
  ASSERT_TRUE(mailbox.try_post(0));
  EXPECT_EQ(mailbox.drain([&](int&& mail) { EXPECT_TRUE(mailbox.try_post(mail + 1)); }), 4U);
  EXPECT_TRUE(mailbox.has_mail());
}

TEST_F(BoundedMailbox, WakesOnlyAnArmedConsumerAndOnlyOnce) {
  Mailbox<int> mailbox(8, *waker_);
  ASSERT_TRUE(mailbox.try_post(1));
  EXPECT_FALSE(is_signalled());
  waker_->arm();
  ASSERT_TRUE(mailbox.try_post(2));
  EXPECT_TRUE(is_signalled());
  waker_->acknowledge();
  ASSERT_TRUE(mailbox.try_post(3));
  EXPECT_FALSE(is_signalled());
}

TEST_F(BoundedMailbox, DestroysPostsThatWereNeverDrained) {
  const auto witness = std::make_shared<int>(1);
  {
    Mailbox<std::shared_ptr<int>> mailbox(4, *waker_);
    ASSERT_TRUE(mailbox.try_post(std::shared_ptr<int>(witness)));
  }
  EXPECT_EQ(witness.use_count(), 1);
}

struct Post {
  std::uint32_t producer = 0;
  std::uint32_t number = 0;
};

// Producers post as fast as the queue accepts. The consumer sleeps without a timer when the queue is empty,
// so that a lost wake-up appears as a wait that reaches its deadline with mail in the queue.
TEST_F(BoundedMailbox, LosesNeitherPostsNorWakeUpsOfManyProducers) {
  constexpr std::uint32_t kProducers = 4;
  constexpr std::uint32_t kPosts = 30'000;
  Mailbox<Post> mailbox(64, *waker_);
  Poller poller = Poller::create().value();
  ASSERT_TRUE(poller.add(waker_->fd(), 1, {.read = true}));
  std::vector<std::thread> producers;
  for (std::uint32_t producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&mailbox, producer] {
      for (std::uint32_t number = 0; number < kPosts; ++number) {
        while (!mailbox.try_post({producer, number})) {
          std::this_thread::yield();
        }
        if (number % 16 == 0) {
          std::this_thread::yield();  // lets the consumer fall asleep now and then
        }
      }
    });
  }
  std::vector<std::uint32_t> next(kProducers, 0);
  std::size_t received = 0;
  bool was_woken = true;
  while (received < std::size_t{kProducers} * kPosts && was_woken) {
    waker_->arm();
    const base::Instant give_up = posix::monotonic_now() + 10s;
    const auto events = poller.wait(mailbox.has_mail() ? base::Instant{} : give_up);
    waker_->disarm();
    was_woken = !events.empty() || posix::monotonic_now() < give_up;
    if (!events.empty()) {
      waker_->acknowledge();
    }
    received += mailbox.drain([&](Post&& post) { EXPECT_EQ(post.number, next[post.producer]++); });
  }
  EXPECT_TRUE(was_woken) << "a wake-up was lost";
  while (received < std::size_t{kProducers} * kPosts) {
    received += mailbox.drain([](Post&&) {});
  }
  for (std::thread& producer : producers) {
    producer.join();
  }
  EXPECT_FALSE(mailbox.has_mail());
}

}  // namespace
}  // namespace knul::runtime
