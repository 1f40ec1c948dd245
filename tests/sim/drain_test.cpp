// How a server stops (reliability of the drain): what is under way is finished, what is new is refused.
#include "drain_load.hpp"

namespace knul::sim {
namespace {

using Source = krepis::CloseReason::Source;
using krepis::LibraryCode;

constexpr auto kDraining = static_cast<std::uint64_t>(LibraryCode::kDraining);
constexpr std::uint64_t kConnectionRefused = 2;

TEST(Drain, LastsAsLongAsTheSlowestRequestAndALittle) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    for (ClientHost* client : world.add_clients(10, link_of(5ms, 0))) {
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
    ClientHost& client = world.add_client({.up = link_of(30ms, 0), .down = link_of(30ms, 0)});
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
        world.add_client({.up = link_of(30ms, 0), .down = link_of(30ms, 0)}).connect({});
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

TEST(Drain, RepeatsItsClosesSoThatLossHidesFew) {
  Told told;
  for_each_seed(2, [&](std::uint64_t seed) {
    World world(seed, {.change = be_patient});
    const LinkOptions link = link_of(50ms, 0.1);
    for (int i = 0; i < 300; ++i) {
      world.add_client({.up = link, .down = link, .change = be_patient}).connect({});
    }
    const auto is_connected = [](const ConnectionRecord& record) { return record.is_connected; };
    ASSERT_TRUE(world.run_until([&] { return world.count(is_connected) == 300; }, 120s));
    world.network.run_for(3s);
    world.server.begin_drain(5s);
    ASSERT_TRUE(is_stopped_before(world, 1s));
    world.network.run_for(1s);
    told.add(world.count(is_closed_cleanly), 300);
  });
  told.expect_nearly_all();
}

TEST(Drain, SendsTheCloseOfItsDeadlineFiveTimesInATenthOfASecond) {
  World world(1);
  ClientHost& client = world.add_client();
  client.connect({{.answer_bytes = 100, .server_delay = 60s}});
  world.network.run_for(200ms);
  world.server.begin_drain(3s);
  world.network.run_for(2'999ms);
  const std::uint64_t before = client.line().down.statistics().entered;
  ASSERT_TRUE(is_stopped_before(world, 101ms));
  EXPECT_GE(client.line().down.statistics().entered - before, 5U);
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
    put_under_load(world, {.connections = 10, .link = link_of(5ms, 0)});
    world.server.begin_drain(0s);
    ASSERT_TRUE(is_stopped_before(world, 210ms));
    world.network.run_for(1s);
    EXPECT_EQ(world.server.report().streams_cut, 100U);
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
