#include "quic/endpoint/stateless_responder.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "quic/wire/seeded_random_test_support.hpp"

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
  base::NullLogSink log;
  StatelessResponder responder{address_tokens, reset_tokens, codec,   base::SipKey{1, 2},
                               random,         log,          counters};
};

base::Path path_to(std::uint16_t port) {
  return {*base::SocketAddress::parse("127.0.0.1", 4'433), *base::SocketAddress::parse("127.0.0.1", port)};
}

// As in a drain of many connections: far more closes than a batch holds.
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
      ASSERT_EQ(train.length_bytes, train.segment_bytes);
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

// How many of `asked` answers to `path` are sent at once.
std::size_t repeat(Responder& all, const base::Path& path, int asked, base::Instant now) {
  const std::uint64_t before = all.counters.responses_suppressed.load();
  for (int i = 0; i < asked; ++i) {
    all.responder.repeat(path, std::vector<std::uint8_t>(100), now);
  }
  return static_cast<std::size_t>(asked) - (all.counters.responses_suppressed.load() - before);
}

// The limits of each kind: answers at once and per second.
struct Kind {
  const char* name;
  std::uint64_t at_once;
  std::uint64_t per_second;
  std::function<void(StatelessResponder&, const base::Path&, base::Instant)> ask;
};

std::vector<Kind> kinds() {
  static const std::vector<std::uint8_t> packet(100);
  static const std::array<std::uint8_t, 8> id{1, 2, 3, 4, 5, 6, 7, 8};
  static const ngtcp2_version_cid header{NGTCP2_PROTO_VER_V1, id.data(), id.size(), id.data(), id.size()};
  static const ngtcp2_pkt_hd initial = [] {
    ngtcp2_pkt_hd result{};
    result.version = NGTCP2_PROTO_VER_V1;
    ngtcp2_cid_init(&result.dcid, id.data(), id.size());
    ngtcp2_cid_init(&result.scid, id.data(), id.size());
    return result;
  }();
  const auto from = [](const base::Path& path) {
    return base::ReceivedDatagram{path, base::Ecn::kNotEct, packet};
  };
  return {
      {"Version Negotiation", 1'000, 1'000,
       [from](auto& it, const auto& path, auto now) { it.negotiate_version(from(path), header, now); }},
      {"Retry", 5'000, 50'000, [](auto& it, const auto& path, auto now) { it.retry(path, initial, now); }},
      {"Stateless Reset", 500, 500,
       [from](auto& it, const auto& path, auto now) { it.reset(from(path), id, now); }},
      {"refusal", 100, 100,
       [](auto& it, const auto& path, auto now) {
         it.refuse(path, initial, NGTCP2_CONNECTION_REFUSED, now);
       }},
      {"repeated close", 1'000, 1'000,
       [](auto& it, const auto& path, auto now) { it.repeat(path, packet, now); }},
  };
}

// Takes and counts answers until none is left.
std::uint64_t take_answers(Responder& all) {
  std::uint64_t answers = 0;
  for (base::SendBatch batch({}); !all.responder.is_empty(); batch.clear()) {
    all.responder.poll_send(batch);
    for (const base::Train& train : batch.trains()) {
      answers += (train.length_bytes + train.segment_bytes - 1) / train.segment_bytes;
    }
  }
  return answers;
}

// From so many addresses that none reaches its share.
std::uint64_t ask(Responder& all, const Kind& kind, std::uint64_t times, base::Instant now) {
  std::uint64_t answers = 0;
  for (std::uint64_t i = 0; i < times; ++i) {
    base::Path path = path_to(40'000);
    path.remote =
        *base::SocketAddress::parse("10.0." + std::to_string(i % 256) + "." + std::to_string(i % 7), 40'000);
    kind.ask(all.responder, path, now);
    answers += i % 1'000 == 0 ? take_answers(all) : 0;
  }
  return answers + take_answers(all);
}

TEST(StatelessResponder, SendsOfEachKindABurstAndThenARateWhateverTheOthersHaveUsed) {
  Responder all;
  base::Instant now{1h};
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    EXPECT_EQ(ask(all, kind, 2 * kind.at_once, now), kind.at_once);
  }
  EXPECT_EQ(all.counters.responses_suppressed.load(), 5'000U + 1'000 + 1'000 + 500 + 100);
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    std::uint64_t answers = 0;
    for (int i = 0; i < 100; ++i) {
      now += 10ms;
      answers += ask(all, kind, kind.per_second / 20, now);
    }
    // Each kind tested before took a second, in which the bucket of this kind was refilled.
    EXPECT_GE(answers, kind.per_second);
    EXPECT_LE(answers, kind.per_second + kind.at_once);
  }
}

TEST(StatelessResponder, SendsAnAddressAtMostHalfOfAKindsBurstAtOnce) {
  Responder all;
  for (const Kind& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    std::uint64_t answers = 0;
    for (std::uint64_t i = 0; i < 2 * kind.at_once; ++i) {
      kind.ask(all.responder, path_to(40'000), base::Instant{1h});
      answers += take_answers(all);
    }
    EXPECT_EQ(answers, kind.at_once / 2);
  }
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

TEST(StatelessResponder, CountsOnlyWhatWaitsAgainstAnAddress) {
  Responder all;
  base::Instant now{1h};
  for (int i = 0; i < 100; ++i) {  // 50,000 answers
    ASSERT_EQ(repeat(all, path_to("192.0.2.1"), 500, now), 500U) << i;
    ASSERT_EQ(take_answers(all), 500U);
    now += 1s;
  }
}

// The socket accepts nothing.
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
  // Sent answers leave the queue.
  EXPECT_GT(take_answers(all), 0U);
  EXPECT_EQ(repeat(all, path_to("192.0.2.1"), 500, now + 1s), 500U);
}

}  // namespace
}  // namespace knul::quic
