// Pacing (RFC 9002 §7.7) without a timer after the last packet.
#include <gtest/gtest.h>

#include "quic/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBytes = 4'000;

// Both ends know of a round trip of 50 ms, so that the packets of kBytes are spread over about 10 ms.
struct SlowPair : EndpointPair {
  SlowPair() {
    connect();
    travel();
    stream = *server_connection().open_stream(true);
  }
  void travel() {
    for (int leg = 0; leg < 20; ++leg) {
      now += 25ms;
      carry(leg % 2 == 0 ? *client : *server, leg % 2 == 0 ? *server : *client);
    }
  }
  // How many packets the server sends of another kBytes, now.
  std::uint64_t send() {
    server_connection().write_copy(*stream, std::vector<std::uint8_t>(kBytes, 1), false);
    return carry_packets();
  }
  std::uint64_t carry_packets() {
    const std::uint64_t before = packets;
    carry(*server, *client);
    return packets - before;
  }
  Stream* stream = nullptr;
};

TEST(Pacing, LeavesNoTimerWhenAllIsSent) {
  SlowPair pair;
  ASSERT_GT(pair.send(), 1U);
  EXPECT_GT(pair.server->next_expiry(), pair.now + 40ms) << "nothing waits for its turn";
}

TEST(Pacing, LetsTheNextPacketWaitForItsTurn) {
  SlowPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.now += 1ms;
  EXPECT_EQ(pair.send(), 0U);
  const base::Instant turn = pair.server->next_expiry();
  EXPECT_LT(turn, pair.now + 15ms);
  pair.now = turn;
  pair.server->handle_expiry(pair.now);
  EXPECT_GT(pair.carry_packets(), 1U);
}

TEST(Pacing, DoesNotMakeUpForTimeWithNothingToSend) {
  SlowPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.travel();
  ASSERT_GT(pair.send(), 1U);
  EXPECT_EQ(pair.send(), 0U) << "half a second of silence is no credit";
}

}  // namespace
}  // namespace knul::quic
