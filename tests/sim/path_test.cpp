// Clients whose address changes, and servers of several workers.
#include "world.hpp"

namespace knul::sim {
namespace {

ClientSetup path() {
  ClientSetup setup;
  setup.up.rate_bits_per_second = setup.down.rate_bits_per_second = 10'000'000;
  return setup;
}

class Rebinding : public OverBoth {};
INSTANTIATE_TEST_SUITE_P(Ip, Rebinding, kBothIpVersions, name_of);

void expect_transfer_while(std::uint64_t seed, void (ClientHost::*rebind)(), const ServerSetup& server) {
  World world(seed, server);
  ClientHost& client = world.add_client(path());
  const ConnectionRecord& record = client.connect({{.answer_bytes = 10 * kMegabyte}});
  world.network.run_for(1s);
  (client.*rebind)();
  client.rebind_every(5s, rebind);
  ASSERT_TRUE(world.run_until_done(record, 40s)) << record.requests[0].received;
  EXPECT_GE(client.rebinds(), 2U);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::path_migrations), client.rebinds());
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_accepted), 1U);
}

TEST_P(Rebinding, OfThePortLosesNothing) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer_while(seed, &ClientHost::rebind_port, {.ip = GetParam()});
  });
}

TEST_P(Rebinding, OfTheAddressLosesNothing) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer_while(seed, &ClientHost::rebind_address, {.ip = GetParam()});
  });
}

TEST_P(Rebinding, KeepsTheConnectionOnItsWorker) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer_while(seed, &ClientHost::rebind_address, {.ip = GetParam(), .workers = 3});
  });
}

// RFC 9000 §8.2: the new address is shown only once it has answered.
TEST_P(Rebinding, ShowsTheAddressThatIsValidated) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, {.ip = GetParam()});
    ClientHost& client = world.add_client(path());
    const ConnectionRecord& record = client.connect({{.upload_bytes = 5 * kMegabyte}});
    world.network.run_for(1s);
    const std::string before = client.line().outside_address.to_string();
    client.rebind_address();
    const std::string after = client.line().outside_address.to_string();
    const auto shown = [&] { return world.server.worker(0).core().list_connections({}).at(0).peer; };
    EXPECT_EQ(shown(), before);
    world.network.run_for(16ms);  // the first packet from there has come, the answer has not
    EXPECT_EQ(shown(), before);
    world.network.run_for(200ms);
    EXPECT_EQ(shown(), after);
    EXPECT_TRUE(world.run_until_done(record, 20s));
  });
}

// One datagram is all that the new path carries for a while, so it must be the PATH_CHALLENGE.
TEST_P(Rebinding, ChallengesTheNewPathFirst) {
  for_each_seed(2, [](std::uint64_t seed) {
    for (const auto rebind : {&ClientHost::rebind_port, &ClientHost::rebind_address}) {
      World world(seed, {.ip = GetParam()});
      ClientHost& client = world.add_client(path());
      const ConnectionRecord& record =
          client.connect({{.upload_bytes = 2 * kMegabyte, .answer_bytes = 2 * kMegabyte}});
      world.network.run_for(1s);
      (client.*rebind)();
      LinkOptions& down = client.line().down.options();
      down.drops = [passed = 0](std::uint64_t, std::span<const std::uint8_t>) mutable {
        return passed++ > 0;
      };
      const std::string after = client.line().outside_address.to_string();
      const auto shown = [&] { return world.server.worker(0).core().list_connections({}).at(0).peer; };
      EXPECT_TRUE(world.run_until([&] { return shown() == after; }, 500ms));
      down.drops = nullptr;
      EXPECT_TRUE(world.run_until_done(record, 20s)) << record.describe();
    }
  });
}

// Many rebinds use up connection IDs; each is replaced.
TEST_P(Rebinding, MayHappenAHundredTimes) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, {.ip = GetParam()});
    ClientHost& client = world.add_client(path());
    const ConnectionRecord& record = client.connect({{.upload_bytes = 15 * kMegabyte}});
    client.rebind_every(250ms, &ClientHost::rebind_address);
    EXPECT_TRUE(world.run_until_done(record, 120s)) << record.requests[0].sent;
    EXPECT_GT(client.rebinds(), 50U);
  });
}

std::uint64_t handed_over(const World& world) {
  return world.server.sum(&stats::WorkerCounters::handovers_in);
}

void expect_all_served(std::uint64_t seed, const ServerSetup& setup,
                       const std::function<void(World&)>& check) {
  World world(seed, setup);
  LinkOptions link;
  link.loss = 0.02;
  for (ClientHost* client : world.add_clients(30, link)) {
    client->connect({{.answer_bytes = 100'000}, {.upload_bytes = 50'000, .answer_bytes = 10}});
  }
  const auto is_done = [](const ConnectionRecord& record) { return record.is_done(); };
  EXPECT_TRUE(world.run_until([&] { return world.count(is_done) == 30; }, 20s)) << world.count(is_done);
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_accepted), 30U);
  for (unsigned i = 0; i < setup.workers; ++i) {
    EXPECT_GT(world.server.record()->connections_by_worker[i], 0U) << "worker " << i;
  }
  check(world);
}

TEST(Workers, ShareConnectionsAsTheKernelSpreadsThem) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_all_served(seed, {.workers = 3}, [](World& world) { EXPECT_EQ(handed_over(world), 0U); });
  });
}

TEST(Workers, HandOverWhatArrivesAtTheWrongOne) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_all_served(seed, {.workers = 3, .routing = Routing::kAsKernelButStray},
                      [](World& world) { EXPECT_GT(handed_over(world), 100U); });
  });
}

TEST(Workers, ShareOneSocketByConnectionId) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_all_served(seed, {.workers = 2, .routing = Routing::kAllToFirst},
                      [](World& world) { EXPECT_GT(handed_over(world), 100U); });
  });
}

TEST(Workers, ShareOneSocketWithRetry) {
  for_each_seed(2, [](std::uint64_t seed) {
    const auto always = [](quic::EndpointOptions& options) { options.retry = quic::RetryPolicy::kAlways; };
    expect_all_served(
        seed, {.workers = 2, .routing = Routing::kAllToFirst, .change = always},
        [](World& world) { EXPECT_GE(world.server.sum(&stats::WorkerCounters::retries_sent), 30U); });
  });
}

TEST(IdleTimeout, EndsBothSidesSilently) {
  for_each_seed(2, [](std::uint64_t seed) {
    ServerSetup setup;
    setup.change = [](quic::EndpointOptions& options) { options.transport.idle_timeout = 5s; };
    World world(seed, setup);
    ClientHost& client = world.add_client();
    const ConnectionRecord& record = client.connect({{.answer_bytes = 100}});
    ASSERT_TRUE(world.run_until_done(record, 1s));
    world.network.run_for(4s);
    EXPECT_FALSE(record.closed.has_value());
    const std::uint64_t sent = client.line().down.statistics().entered;
    world.network.run_for(3s);  // the server told of stream credit a second after the answer
    ASSERT_TRUE(record.closed.has_value());
    EXPECT_EQ(record.closed->source, krepis::CloseReason::Source::kIdleTimeout);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_closed_idle_timeout), 1U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_active), 0U);
    EXPECT_EQ(client.line().down.statistics().entered, sent);
  });
}

TEST(IdleTimeout, OfAServerEndsWhereTheClientVanished) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client();
    client.connect({{.answer_bytes = kMegabyte}});
    world.network.run_for(100ms);
    client.runner().kill();
    world.network.run_for(100s);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_closed_idle_timeout), 1U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::send_buffer_bytes), 0U);
  });
}

}  // namespace
}  // namespace knul::sim
