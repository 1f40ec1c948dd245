// Pacing (RFC 9002 §7.7) without a timer after the last packet.
#include <gtest/gtest.h>

#include <utility>

#include "quic/slow_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBytes = 4'000;

// A server whose packets of kBytes are spread over about 10 ms.
struct PacedPair : SlowPair {
  PacedPair() : stream(*server_connection().open_stream(true)) {
    send();
    travel();  // so that the client's next packet only acknowledges
  }
  // How many packets the server sends of so many more bytes, now.
  std::uint64_t send(std::size_t bytes = kBytes) {
    server_connection().write_copy(*stream, std::vector<std::uint8_t>(bytes, 1), false);
    return count_packets(*server);
  }
  // The client acknowledges what it has, before the server's next packet may leave.
  void acknowledge_early() {
    now += 1ms;
    ASSERT_EQ(count_packets(*client), 1U);
    ASSERT_EQ(count_packets(*server), 0U);
  }
  Stream* stream;
};

TEST(Pacing, LeavesNoTimerWhenAllIsSent) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  EXPECT_GT(pair.server->next_expiry(), pair.now + 40ms) << "nothing waits for its turn";
}

TEST(Pacing, LetsTheNextPacketWaitForItsTurn) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.now += 1ms;
  EXPECT_EQ(pair.send(), 0U);
  const base::Instant turn = pair.server->next_expiry();
  EXPECT_LT(turn, pair.now + 15ms);
  pair.now = turn;
  pair.server->handle_expiry(pair.now);
  EXPECT_GT(pair.count_packets(*pair.server), 1U);
}

TEST(Pacing, LeavesNoTimerWhenAllIsAcknowledgedBeforeItsTime) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.acknowledge_early();
  EXPECT_GT(pair.server->next_expiry(), pair.now + 900ms);

  EXPECT_EQ(pair.send(), 0U);
  EXPECT_LT(pair.server->next_expiry(), pair.now + 15ms);
  pair.now = pair.server->next_expiry();
  pair.server->handle_expiry(pair.now);
  EXPECT_GT(pair.count_packets(*pair.server), 1U) << "it still had to wait for its turn";
}

TEST(Pacing, LeavesATimerForPacketsThatAreNotAcknowledged) {
  PacedPair pair;
  pair.drops = [is_first = true](std::span<const std::uint8_t>, bool) mutable {
    return std::exchange(is_first, false);
  };
  ASSERT_GT(pair.send(), 1U);
  pair.drops = nullptr;
  pair.acknowledge_early();
  EXPECT_LT(pair.server->next_expiry(), pair.now + 100ms);
}

TEST(Pacing, LeavesATimerForAnAcknowledgementThatIsOwed) {
  PacedPair pair;
  Stream& upload = **pair.client_connection().open_stream(false);
  ASSERT_GT(pair.send(kBytes / 2), 1U);  // some 5 ms; an acknowledgement may wait for 6
  pair.client_connection().write_copy(upload, std::vector<std::uint8_t>(1), false);
  pair.acknowledge_early();
  EXPECT_LT(pair.server->next_expiry(), pair.now + 30ms);
}

TEST(Pacing, DoesNotMakeUpForTimeWithNothingToSend) {
  PacedPair pair;
  ASSERT_GT(pair.send(), 1U);
  pair.travel();
  ASSERT_GT(pair.send(), 1U);
  EXPECT_EQ(pair.send(), 0U) << "half a second of silence is no credit";
}

}  // namespace
}  // namespace knul::quic
