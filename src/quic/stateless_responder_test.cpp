#include "quic/stateless_responder.hpp"

#include <gtest/gtest.h>

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
  StatelessResponder responder{address_tokens, reset_tokens, codec, random, counters};
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

}  // namespace
}  // namespace knul::quic
