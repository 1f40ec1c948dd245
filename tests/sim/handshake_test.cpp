// Handshakes over bad paths.
#include "world.hpp"

namespace knul::sim {
namespace {

// Nothing protects a Version Negotiation packet. A bit flipped in one, or in a version, rightly ends an
// attempt (RFC 9000 §6.2), and a client makes another.
bool is_ended_by_version_negotiation(const ConnectionRecord& record) {
  return record.closed.has_value() && record.closed->reason == "ERR_RECV_VERSION_NEGOTIATION";
}

// As quic-interop-runner's handshakeloss and handshakecorruption: 50 connections, one after the other. Ten
// seconds, the usual limit of a handshake, are five attempts: not enough for everybody here.
void expect_fifty_connections(std::uint64_t seed, IpVersion ip, const LinkOptions& link) {
  World world(seed, {.ip = ip, .change = be_patient});
  ClientHost& client = world.add_client({.up = link, .down = link, .change = be_patient});
  int version_negotiations = 0;
  for (int i = 0; i < 50; ++i) {
    const ConnectionRecord& record = client.connect({{.answer_bytes = 1'024}}, WhenDone::kClose);
    if (world.run_until_done(record, 300s)) {
      continue;
    }
    ASSERT_TRUE(is_ended_by_version_negotiation(record)) << "connection " << i << ": " << record.describe();
    ++version_negotiations;
  }
  EXPECT_LE(version_negotiations, link.corrupted > 0 ? 2 : 0);
  EXPECT_GT(client.line().up.statistics().dropped + client.line().up.statistics().corrupted, 40U);
}

class Handshake : public OverBoth {};
INSTANTIATE_TEST_SUITE_P(Ip, Handshake, kBothIpVersions, name_of);

TEST_P(Handshake, CompletesInOneRoundTrip) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed, {.ip = GetParam()});
    ConnectionRecord& record = world.add_client().connect({});
    EXPECT_TRUE(world.run_until([&] { return record.is_connected; }, 31ms));
    world.network.run_for(100ms);
    EXPECT_EQ(world.server.record()->connections, 1U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::retries_sent), 0U);
  });
}

// docs/decisions/0013
TEST_P(Handshake, RepeatsALostFirstPacketAfterSixTenthsOfASecond) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, {.ip = GetParam()});
    LinkOptions up;
    up.drops = [](std::uint64_t index, std::span<const std::uint8_t>) { return index == 1; };
    const ConnectionRecord& record = world.add_client({.up = up}).connect({});
    EXPECT_TRUE(world.run_until([&] { return record.is_connected; }, 600ms + 31ms));
  });
}

TEST_P(Handshake, CompletesWithRetryInTwoRoundTrips) {
  for_each_seed(3, [](std::uint64_t seed) {
    const auto always = [](quic::EndpointOptions& options) { options.retry = quic::RetryPolicy::kAlways; };
    World world(seed, {.ip = GetParam(), .change = always});
    ConnectionRecord& record = world.add_client().connect({{.answer_bytes = 1'000}}, WhenDone::kClose);
    EXPECT_TRUE(world.run_until([&] { return record.is_connected; }, 61ms));
    EXPECT_TRUE(world.run_until_done(record, 1s));
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::retries_sent), 1U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_accepted), 1U);
  });
}

TEST_P(Handshake, SucceedsFiftyTimesWhereThirtyPercentAreLostInBursts) {
  for_each_seed(3, [](std::uint64_t seed) {
    LinkOptions link;
    link.loss = 0.3;
    link.most_lost_in_a_row = 3;
    expect_fifty_connections(seed, GetParam(), link);
  });
}

// Within the usual ten seconds a client sends its first packet five times. Where three of ten are lost each
// way, two of a thousand handshakes take longer.
TEST_P(Handshake, NearlyAlwaysMeetsTheUsualLimitWhereThirtyPercentAreLostInBursts) {
  for_each_seed(3, [](std::uint64_t seed) {
    LinkOptions link;
    link.loss = 0.3;
    link.most_lost_in_a_row = 3;
    World world(seed, {.ip = GetParam()});
    ClientHost& client = world.add_client({.up = link, .down = link});
    int failed = 0;
    for (int i = 0; i < 50; ++i) {
      const ConnectionRecord& record = client.connect({{.answer_bytes = 1'024}}, WhenDone::kClose);
      failed += world.run_until_done(record, 60s) ? 0 : 1;
    }
    EXPECT_LE(failed, 3);
  });
}

TEST_P(Handshake, SucceedsFiftyTimesWhereThirtyPercentAreCorrupted) {
  for_each_seed(3, [](std::uint64_t seed) {
    LinkOptions link;
    link.corrupted = 0.3;
    expect_fifty_connections(seed, GetParam(), link);
  });
}

TEST_P(Handshake, SucceedsOverASatelliteOrTwo) {
  for_each_seed(2, [](std::uint64_t seed) {
    LinkOptions link;
    link.delay = 750ms;
    World world(seed, {.ip = GetParam()});
    const ConnectionRecord& record =
        world.add_client({.up = link, .down = link}).connect({{.answer_bytes = 100'000}});
    EXPECT_TRUE(world.run_until_done(record, 30s));
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_accepted), 1U);
  });
}

TEST_P(Handshake, EndsAtItsTimeoutWhereNothingComesBack) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, {.ip = GetParam()});
    LinkOptions silent;
    silent.loss = 1;
    const ConnectionRecord& record = world.add_client({.down = silent}).connect({});
    ASSERT_TRUE(world.run_until([&] { return record.closed.has_value(); }, 11s));
    EXPECT_EQ(record.closed->source, krepis::CloseReason::Source::kHandshakeTimeout);
    EXPECT_GE(record.closed_at - record.begun_at, 10s);
    world.network.run_for(11s);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::handshakes_failed_timeout), 1U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_half_open), 0U);
  });
}

TEST_P(Handshake, OfFiveHundredConnectionsAtOnceAllSucceed) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, {.ip = GetParam()});
    LinkOptions link;
    link.loss = 0.01;
    ClientHost& client = world.add_client({.up = link, .down = link});
    for (int i = 0; i < 500; ++i) {
      client.connect({{.answer_bytes = 500}});
    }
    const auto is_done = [](const ConnectionRecord& record) { return record.is_done(); };
    EXPECT_TRUE(world.run_until([&] { return world.count(is_done) == 500; }, 30s)) << world.count(is_done);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_active), 500U);
  });
}

}  // namespace
}  // namespace knul::sim
