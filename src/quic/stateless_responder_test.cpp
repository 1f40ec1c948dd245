#include "quic/stateless_responder.hpp"

#include <gtest/gtest.h>

#include <tuple>

#include "quic/seeded_random_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

struct Responder {
  std::vector<std::uint8_t> secret = std::vector<std::uint8_t>(32, 7);
  SeededRandom random{1};
  stats::WorkerCounters counters;
  AddressTokens address_tokens{secret, random};
  ResetTokens reset_tokens{secret};
  ConnectionIdCodec codec{0, 1};
  StatelessResponder responder{address_tokens, reset_tokens, codec, base::SipKey{1, 2}, random, counters};
};

base::Path path_to(std::uint16_t port) {
  return {*base::SocketAddress::parse("127.0.0.1", 4'433), *base::SocketAddress::parse("127.0.0.1", port)};
}

// What a drain of many connections looks like: far more closes than a batch holds.
TEST(StatelessResponder, SendsMoreAnswersThanABatchHoldsInTheOrderTheyCame) {
  constexpr std::uint32_t kAnswers = 20'000;
  Responder all;
  for (std::uint32_t i = 0; i < kAnswers; ++i) {
    std::vector<std::uint8_t> packet(100, static_cast<std::uint8_t>(i));
    packet[1] = static_cast<std::uint8_t>(i >> 8);
    all.responder.send(path_to(static_cast<std::uint16_t>(1'024 + i)), packet);
  }
  base::SendBatch batch({});
  std::uint32_t next = 0;
  while (!all.responder.is_empty()) {
    all.responder.poll_send(batch);
    ASSERT_FALSE(batch.is_empty());
    for (const base::Train& train : batch.trains()) {
      ASSERT_EQ(train.packet_count(), 1U);
      ASSERT_EQ(train.path.remote.port(), static_cast<std::uint16_t>(1'024 + next));
      ASSERT_EQ(batch.bytes(train)[0], static_cast<std::uint8_t>(next));
      ASSERT_EQ(batch.bytes(train)[1], static_cast<std::uint8_t>(next >> 8));
      ++next;
    }
    batch.clear();
  }
  EXPECT_EQ(next, kAnswers);
}

base::Path path_to(const char* host) {
  return {*base::SocketAddress::parse("127.0.0.1", 4'433), *base::SocketAddress::parse(host, 40'000)};
}

// How many of `asked` answers to `path` are made at once.
std::size_t repeat(Responder& all, const base::Path& path, int asked, base::Instant now) {
  const std::uint64_t before = all.counters.responses_suppressed.load();
  for (int i = 0; i < asked; ++i) {
    all.responder.repeat(path, std::vector<std::uint8_t>(100), now);
  }
  return static_cast<std::size_t>(asked) - (all.counters.responses_suppressed.load() - before);
}

// 1,000 repeated closes a second.
TEST(StatelessResponder, LeavesHalfOfAKindsBurstToOtherAddresses) {
  Responder all;
  const base::Instant now{1h};
  EXPECT_EQ(repeat(all, path_to("192.0.2.1"), 5'000, now), 500U);
  EXPECT_EQ(all.counters.responses_suppressed_by_share.load(), 4'500U);
  EXPECT_EQ(repeat(all, path_to("192.0.2.2"), 400, now), 400U);
  EXPECT_EQ(repeat(all, path_to("2001:db8::1"), 100, now), 100U);
  EXPECT_EQ(repeat(all, path_to("192.0.2.3"), 10, now), 0U) << "the bucket of all is empty";
}

TEST(StatelessResponder, GivesAnAddressOfAKindsRateOnlyWhatOtherAddressesDoNotUse) {
  Responder all;
  base::Instant now{1h};
  std::ignore = repeat(all, path_to("192.0.2.1"), 5'000, now);
  std::size_t of_one = 0;
  std::size_t of_other = 0;
  base::SendBatch batch({});
  for (int i = 0; i < 1'000; ++i) {
    now += 10ms;
    of_one += repeat(all, path_to("192.0.2.1"), 100, now);
    of_other += repeat(all, path_to("192.0.2.2"), 2, now);
    all.responder.poll_send(batch);
    batch.clear();
  }
  EXPECT_EQ(of_other, 2'000U) << "none of its own is refused";
  EXPECT_NEAR(static_cast<double>(of_one), 8'000, 10);
}

// While the socket takes nothing.
TEST(StatelessResponder, LeavesPlacesInItsQueueToOtherAddresses) {
  Responder all;
  base::Instant now{1h};
  std::size_t queued = 0;
  for (int i = 0; i < 100; ++i) {
    queued += repeat(all, path_to("192.0.2.1"), 500, now);
    now += 1s;
  }
  EXPECT_NEAR(static_cast<double>(queued), 4'096 * 7 / 8, 2);
  EXPECT_EQ(repeat(all, path_to("192.0.2.2"), 100, now), 100U);
}

}  // namespace
}  // namespace knul::quic
