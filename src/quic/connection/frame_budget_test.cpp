#include "quic/connection/frame_budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

struct Packets {
  std::uint32_t frames;  // per packet
  std::size_t bytes;     // per payload
  std::uint64_t per_second;
};

// Sends the packets of one connection for a second of virtual time. Returns the number of frames read.
std::uint64_t read_in_a_second(SharedFrameBudget& shared, FrameBudget& budget, const Packets& packets) {
  const base::Instant begin{1h};
  const std::uint64_t before = shared.frames_read();
  for (std::uint64_t i = 0; i < packets.per_second; ++i) {
    const base::Instant now = begin + std::chrono::nanoseconds(i * 1'000'000'000 / packets.per_second);
    if (budget.admits_packet(shared, now)) {
      budget.note(shared, packets.frames, packets.bytes, now);
    }
  }
  return shared.frames_read() - before;
}

TEST(FrameBudget, ChargesFramesBeyondEightAndOneForTwelveBytes) {
  EXPECT_EQ(FrameBudget::charged(8, 11), 0U);
  EXPECT_EQ(FrameBudget::charged(9, 11), 1U);
  EXPECT_EQ(FrameBudget::charged(108, 1'200), 0U);
  EXPECT_EQ(FrameBudget::charged(109, 1'200), 1U);
  EXPECT_EQ(FrameBudget::charged(60'000, 60'000), 54'992U);
}

// Packets with one charged frame each; one more packet shows the debt.
constexpr std::uint32_t kFramesOfOne = 9;
std::uint64_t charged_in(base::Duration span, SharedFrameBudget& shared, FrameBudget& budget) {
  constexpr base::Duration kStep = 1us;
  const std::uint64_t before = shared.frames_read();
  for (base::Duration at{0}; at <= span; at += kStep) {
    for (int i = 0; i < (at == span ? 100'000 : 4); ++i) {
      if (budget.admits_packet(shared, base::Instant{1h} + at)) {
        budget.note(shared, kFramesOfOne, 0, base::Instant{1h} + at);
      }
    }
  }
  return (shared.frames_read() - before) / kFramesOfOne;
}

TEST(FrameBudget, LetsAConnectionHaveABurstAndThenARate) {
  SharedFrameBudget shared;
  FrameBudget at_once;
  EXPECT_EQ(charged_in(0s, shared, at_once), 16'384U + 1);
  SharedFrameBudget other;
  FrameBudget in_a_second;
  EXPECT_NEAR(static_cast<double>(charged_in(1s, other, in_a_second)), 500'000 + 16'384, 2);
}

// Other connections have used up the endpoint's budget and use all that is refilled.
TEST(FrameBudget, LetsAConnectionHaveLittleWhileTheEndpointsIsUsedUp) {
  for (const base::Duration span : {base::Duration(0s), base::Duration(1s)}) {
    SharedFrameBudget shared;
    FrameBudget other, budget;
    for (int i = 0; i < 100; ++i) {
      other.note(shared, 60'000, 0, base::Instant{1h});
    }
    ASSERT_TRUE(shared.is_short(base::Instant{1h} + span));
    EXPECT_NEAR(static_cast<double>(charged_in(span, shared, budget)), span == 0s ? 8'193 : 8'192 + 8'192, 2);
  }
}

TEST(FrameBudget, OfAnEndpointHasABurstAndARate) {
  SharedFrameBudget shared;
  std::uint32_t charged = 0;
  const auto use_up = [&](base::Instant now) {
    for (charged = 0; !shared.is_short(now) && charged < 10'000'000; ++charged) {
      FrameBudget connection;
      connection.note(shared, kFramesOfOne, 0, now);
    }
  };
  use_up(base::Instant{1h});
  EXPECT_EQ(charged, 32'768U + 1);
  use_up(base::Instant{1h} + 10ms);
  EXPECT_EQ(charged, 10'000U);
}

TEST(FrameBudget, ForgivesWhatTakesLongerThanFourSeconds) {
  SharedFrameBudget shared;
  FrameBudget budget;
  for (int i = 0; i < 1'000; ++i) {
    budget.note(shared, 60'000, 0, base::Instant{1h});
  }
  EXPECT_FALSE(budget.admits_packet(shared, base::Instant{1h} + 3'999ms));
  EXPECT_TRUE(budget.admits_packet(shared, base::Instant{1h} + 4s));
}

TEST(FrameBudget, LetsHonestPacketsThroughAtEverySpeed) {
  for (const Packets honest : {Packets{2, 1'430, 2'000'000},   // an upload of 23 Gbit/s
                               Packets{21, 1'430, 100'000},    // 2,000,000 requests of 64 bytes
                               Packets{105, 1'430, 15'000},    // 1,500,000 requests of 8 bytes
                               Packets{3, 12, 1'000'000},      // acknowledgements
                               Packets{900, 60'000, 30'000},   // the same in large datagrams
                               Packets{485, 1'430, 1'000}}) {  // 484,000 streams stopped in a second
    SharedFrameBudget shared;
    FrameBudget budget;
    EXPECT_EQ(read_in_a_second(shared, budget, honest), honest.frames * honest.per_second)
        << honest.frames << " frames in " << honest.bytes << " bytes";
  }
}

TEST(FrameBudget, BoundsTheFramesOfOneConnection) {
  for (const Packets flood : {Packets{60'000, 60'000, 50'000},    // PING
                              Packets{20'000, 60'000, 50'000},    // STOP_SENDING, MAX_STREAM_DATA
                              Packets{1'430, 1'430, 500'000}}) {  // PING in packets of usual size
    SharedFrameBudget shared;
    FrameBudget budget;
    const std::uint64_t most = FrameBudget::kPerSecond + FrameBudget::kBurst + flood.frames;
    EXPECT_LE(read_in_a_second(shared, budget, flood), 2 * most) << flood.frames;
    EXPECT_FALSE(budget.admits_packet(shared, base::Instant{1h} + 1s));
    EXPECT_TRUE(budget.admits_packet(shared, base::Instant{1h} + 6s)) << "a debt is paid off";
  }
}

TEST(FrameBudget, BoundsTheFramesOfManyConnectionsAndSparesTheHonestOne) {
  constexpr std::size_t kAttackers = 100;
  SharedFrameBudget shared;
  std::vector<FrameBudget> attackers(kAttackers);
  FrameBudget honest;
  std::uint64_t honest_packets = 0;
  const base::Instant begin{1h};
  for (int i = 0; i < 100'000; ++i) {
    const base::Instant now = begin + i * 10us;
    FrameBudget& attacker = attackers[static_cast<std::size_t>(i) % kAttackers];
    if (attacker.admits_packet(shared, now)) {
      attacker.note(shared, 20'000, 60'000, now);
    }
    if (honest.admits_packet(shared, now)) {
      honest.note(shared, 120, 1'430, now);
      ++honest_packets;
    }
  }
  EXPECT_EQ(honest_packets, 100'000U);
  const std::uint64_t of_attackers = shared.frames_read() - 120 * honest_packets;
  // The first packet of each attacker, and the endpoint's budget for all.
  EXPECT_LE(of_attackers,
            kAttackers * 20'000 + 2 * (SharedFrameBudget::kPerSecond + SharedFrameBudget::kBurst));
}

}  // namespace
}  // namespace knul::quic
