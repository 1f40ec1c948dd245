// How a server stops (reliability of the drain): what is under way is finished, what is new is refused.
#include "world.hpp"

namespace knul::sim {
namespace {

using Source = krepis::CloseReason::Source;
using krepis::LibraryCode;

constexpr auto kNone = static_cast<std::uint64_t>(LibraryCode::kNone);
constexpr auto kDraining = static_cast<std::uint64_t>(LibraryCode::kDraining);
constexpr auto kDeadline = static_cast<std::uint64_t>(LibraryCode::kDeadline);
constexpr std::uint64_t kConnectionRefused = 2;

LinkOptions path(base::Duration delay, double loss) {
  LinkOptions options;
  options.delay = delay;
  options.loss = loss;
  return options;
}

bool is_stopped_before(World& world, base::Duration limit) {
  return world.run_until([&] { return world.server.is_stopped(); }, limit);
}

bool is_closed_cleanly(const ConnectionRecord& record) {
  return record.was_closed_with(Source::kPeerApplication, kNone);
}

// Ten requests of 50 KB that take the server 0.2 to 2 s each.
std::vector<Request> ten_requests(std::mt19937_64& random) {
  std::vector<Request> requests;
  for (int i = 0; i < 10; ++i) {
    const base::Duration delay = std::chrono::milliseconds(200 + random() % 1'801);
    requests.push_back({.answer_bytes = 50'000, .server_delay = delay});
  }
  return requests;
}

struct Load {
  std::size_t connections = 100;
  LinkOptions link;
};

// All requests have reached the server.
void put_under_load(World& world, const Load& load) {
  std::mt19937_64 random(world.network.next_seed());
  for (ClientHost* client : world.add_clients(load.connections, load.link)) {
    client->connect(ten_requests(random));
  }
  ASSERT_TRUE(
      world.run_until([&] { return world.server.record()->streams_opened == load.connections * 10; }, 10s));
}

void expect_clean_drain(std::uint64_t seed, const LinkOptions& link, base::Duration deadline,
                        const ServerSetup& setup = {}) {
  World world(seed, setup);
  put_under_load(world, {.connections = 100, .link = link});
  world.server.begin_drain(deadline);
  ASSERT_TRUE(is_stopped_before(world, deadline + 1s));
  world.network.run_for(1s);
  EXPECT_EQ(world.count([](const ConnectionRecord& record) { return record.is_done(); }), 100U);
  EXPECT_EQ(world.count(is_closed_cleanly), 100U);
  const krepis::DrainReport report = world.server.report();
  EXPECT_TRUE(report.clean);
  EXPECT_EQ(report.connections_closed, 100U);
  EXPECT_EQ(report.streams_cut, 0U);
  EXPECT_EQ(report.bytes_unsent, 0U);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::requests_failed), 0U);
}

TEST(Drain, FinishesAThousandRequestsAndThenStops) {
  for_each_seed(2, [](std::uint64_t seed) { expect_clean_drain(seed, path(5ms, 0), 5s); });
}

TEST(Drain, FinishesRequestsOfAllWorkers) {
  for_each_seed(1, [](std::uint64_t seed) { expect_clean_drain(seed, path(5ms, 0), 5s, {.workers = 3}); });
}

TEST(Drain, FinishesRequestsThroughTwoPercentLoss) {
  for_each_seed(2, [](std::uint64_t seed) { expect_clean_drain(seed, path(15ms, 0.02), 10s); });
}

// Where every tenth packet is lost and an answer takes 100 ms to come, half a megabyte takes CUBIC about ten
// seconds, drain or not; BBR does not slow down for loss.
TEST(Drain, FinishesRequestsThroughTenPercentLoss) {
  for_each_seed(2, [](std::uint64_t seed) {
    const auto bbr = [](quic::EndpointOptions& options) {
      options.transport.congestion_control = quic::CongestionControl::kBbr;
    };
    expect_clean_drain(seed, path(50ms, 0.1), 10s, {.change = bbr});
  });
}

TEST(Drain, TellsEveryClientAtTheDeadlineThroughTenPercentLoss) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    put_under_load(world, {.connections = 100, .link = path(50ms, 0.1)});
    world.server.begin_drain(3s);
    ASSERT_TRUE(is_stopped_before(world, 3s + 100ms));
    world.network.run_for(1s);
    const auto is_told = [](const ConnectionRecord& record) {
      return is_closed_cleanly(record) || record.was_closed_with(Source::kPeerApplication, kDeadline);
    };
    EXPECT_GE(world.count(is_told), 98U);
    // Nobody is told that all went well who did not get everything.
    EXPECT_EQ(world.count([](const ConnectionRecord& record) {
      return is_closed_cleanly(record) && !record.is_done();
    }),
              0U);
    EXPECT_FALSE(world.server.report().clean);
  });
}

TEST(Drain, LastsAsLongAsTheSlowestRequestAndALittle) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    for (ClientHost* client : world.add_clients(10, path(5ms, 0))) {
      client->connect({{.answer_bytes = 50'000, .server_delay = 1s}});
    }
    world.network.run_for(100ms);
    world.server.begin_drain(5s);
    ASSERT_TRUE(is_stopped_before(world, 5s));
    EXPECT_GT(world.server.stop_took(), 900ms);
    EXPECT_LT(world.server.stop_took(), 1'300ms);
  });
}

TEST(Drain, RefusesNewConnectionsSoon) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client({.up = path(30ms, 0), .down = path(30ms, 0)});
    client.connect({{.answer_bytes = 100, .server_delay = 3s}});
    world.network.run_for(200ms);
    world.server.begin_drain(5s);
    for (int i = 0; i < 20; ++i) {
      const ConnectionRecord& late = client.connect({});
      ASSERT_TRUE(world.run_until([&] { return late.closed.has_value(); }, 2 * 60ms + 50ms));
      EXPECT_EQ(late.closed->source, Source::kPeerTransport);
      EXPECT_EQ(late.closed->code, kConnectionRefused);
    }
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_refused_draining), 20U);
  });
}

TEST(Drain, RefusesWithoutRetryWhereRetryIsTheRule) {
  for_each_seed(1, [](std::uint64_t seed) {
    ServerSetup setup;
    setup.change = [](quic::EndpointOptions& options) { options.retry = quic::RetryPolicy::kAlways; };
    World world(seed, setup);
    ClientHost& client = world.add_client();
    client.connect({{.answer_bytes = 100, .server_delay = 3s}});
    world.network.run_for(200ms);
    world.server.begin_drain(5s);
    const ConnectionRecord& late = client.connect({});
    ASSERT_TRUE(world.run_until([&] { return late.closed.has_value(); }, 100ms));
    EXPECT_TRUE(late.was_closed_with(Source::kPeerTransport, kConnectionRefused));
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::retries_sent), 1U);
  });
}

TEST(Drain, RefusesHandshakesThatAreUnderWay) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    const ConnectionRecord& record =
        world.add_client({.up = path(30ms, 0), .down = path(30ms, 0)}).connect({});
    world.network.run_for(40ms);  // the server has answered, the client has not
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_half_open), 1U);
    world.server.begin_drain(5s);
    ASSERT_TRUE(is_stopped_before(world, 500ms));
    world.network.run_for(200ms);
    ASSERT_TRUE(record.closed.has_value());
    EXPECT_EQ(record.closed->source, Source::kPeerTransport);
    EXPECT_EQ(record.closed->code, kConnectionRefused);
  });
}

TEST(Drain, CutsAStuckClientAtTheDeadlineAndNobodyElse) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed);
    put_under_load(world, {.connections = 20, .link = path(5ms, 0.01)});
    ClientHost& stuck = world.add_client();
    ConnectionRecord& record = stuck.connect({{.answer_bytes = 60 * kMegabyte}});
    record.is_reading = false;
    world.network.run_for(500ms);
    world.server.begin_drain(5s);
    ASSERT_TRUE(is_stopped_before(world, 6s));
    world.network.run_for(1s);
    EXPECT_GE(world.server.stop_took(), 5s);
    EXPECT_LE(world.server.stop_took(), 5s + 100ms);
    EXPECT_FALSE(world.server.report().clean);
    EXPECT_EQ(world.server.report().streams_cut, 1U);
    EXPECT_GT(world.server.report().bytes_unsent, 0U);
    EXPECT_TRUE(record.was_closed_with(Source::kPeerApplication, kDeadline));
    EXPECT_EQ(world.count([](const ConnectionRecord& other) { return other.is_done(); }), 20U);
    EXPECT_EQ(world.count(is_closed_cleanly), 20U);
  });
}

TEST(Drain, ClosesAThousandIdleConnectionsAtOnce) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client();
    for (int i = 0; i < 1'000; ++i) {
      client.connect({});
    }
    const auto is_connected = [](const ConnectionRecord& record) { return record.is_connected; };
    ASSERT_TRUE(world.run_until([&] { return world.count(is_connected) == 1'000; }, 5s));
    world.network.run_for(100ms);
    world.server.begin_drain(5s);
    ASSERT_TRUE(is_stopped_before(world, 300ms));
    world.network.run_for(100ms);
    EXPECT_EQ(world.count(is_closed_cleanly), 1'000U);
    EXPECT_EQ(world.server.report().connections_closed, 1'000U);
    EXPECT_TRUE(world.server.report().clean);
  });
}

TEST(Drain, RepeatsItsClosesSoThatLossHidesFew) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    for (ClientHost* client : world.add_clients(300, path(50ms, 0.1))) {
      client->connect({});
    }
    const auto is_connected = [](const ConnectionRecord& record) { return record.is_connected; };
    ASSERT_TRUE(world.run_until([&] { return world.count(is_connected) == 300; }, 20s));
    world.network.run_for(3s);
    world.server.begin_drain(5s);
    ASSERT_TRUE(is_stopped_before(world, 1s));
    world.network.run_for(1s);
    EXPECT_EQ(world.count(is_closed_cleanly), 300U);
  });
}

TEST(Drain, RefusesNewStreamsAndTellsTheProgramOnce) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, {.workers = 2});
    ClientHost& client = world.add_client();
    std::vector<Request> requests;
    requests.reserve(3);
    requests.push_back({.answer_bytes = 1'000, .server_delay = 2s});
    ConnectionRecord& record = client.connect(std::move(requests));
    world.network.run_for(200ms);
    world.server.begin_drain(5s);
    client.request(record, {.answer_bytes = 1'000});
    client.request(record, {.upload_bytes = 100'000});
    ASSERT_TRUE(is_stopped_before(world, 5s));
    world.network.run_for(1s);
    EXPECT_TRUE(record.requests[0].is_complete);
    EXPECT_EQ(record.requests[1].reset_code, kDraining);
    EXPECT_EQ(record.requests[2].reset_code, kDraining);
    EXPECT_EQ(record.requests[2].stop_code, kDraining);
    EXPECT_TRUE(is_closed_cleanly(record));
    EXPECT_EQ(world.server.record()->drains_told, (std::vector<unsigned>{0, 1}));
    EXPECT_EQ(world.server.record()->drain_deadlines[0], 5s);
    EXPECT_EQ(world.server.record()->streams_opened, 1U);
    EXPECT_EQ(world.server.record()->streams_closed, 1U);
    EXPECT_TRUE(world.server.report().clean);
    EXPECT_EQ(world.server.report().streams_completed, 1U);
  });
}

TEST(Drain, WithoutTimeCutsWhatIsUnderWay) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    put_under_load(world, {.connections = 10, .link = path(5ms, 0)});
    world.server.begin_drain(0s);
    ASSERT_TRUE(is_stopped_before(world, 210ms));
    world.network.run_for(1s);
    EXPECT_EQ(world.server.report().streams_cut, 100U);
    const auto is_cut = [](const ConnectionRecord& record) {
      return record.was_closed_with(Source::kPeerApplication, kDeadline);
    };
    EXPECT_EQ(world.count(is_cut), 10U);
  });
}

TEST(Drain, OfAServerWithoutConnectionsIsOverAtOnce) {
  World world(1);
  world.network.run_for(1s);
  world.server.begin_drain(5s);
  EXPECT_TRUE(is_stopped_before(world, 1ms));
  EXPECT_TRUE(world.server.report().clean);
}

TEST(Drain, OutlastsAClientThatVanishes) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client();
    client.connect({{.answer_bytes = kMegabyte, .server_delay = 1s}});
    world.network.run_for(200ms);
    world.server.begin_drain(3s);
    client.runner().kill();
    ASSERT_TRUE(is_stopped_before(world, 3'100ms));
    EXPECT_EQ(world.server.report().streams_cut, 1U);
  });
}

}  // namespace
}  // namespace knul::sim
