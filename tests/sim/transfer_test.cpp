// Transfers over bad paths: every byte arrives once, in order, on the connection that asked for it.
#include "world.hpp"

namespace knul::sim {
namespace {

using Impair = std::function<void(LinkOptions& options)>;

// 15 ms each way, 10 Mbit/s, a queue of 25 packets: the path of quic-interop-runner.
ClientSetup path_with(const Impair& impair) {
  ClientSetup setup;
  setup.up.rate_bits_per_second = setup.down.rate_bits_per_second = 10'000'000;
  impair(setup.up);
  impair(setup.down);
  return setup;
}

std::vector<Request> files(std::initializer_list<std::uint64_t> sizes, std::uint64_t upload_bytes = 0) {
  std::vector<Request> requests;
  for (const std::uint64_t size : sizes) {
    requests.push_back({.upload_bytes = upload_bytes, .answer_bytes = size});
  }
  return requests;
}

void expect_transfer(std::uint64_t seed, const Impair& impair, std::vector<Request> requests,
                     base::Duration limit, IpVersion ip = IpVersion::kV4) {
  World world(seed, {.ip = ip, .change = be_patient});
  ClientSetup setup = path_with(impair);
  setup.change = be_patient;
  // The last bytes may have to be sent again and again, for an acknowledgement that is lost each time.
  const bool may_lose = setup.up.loss > 0 || setup.up.corrupted > 0;
  const base::Duration end_limit = may_lose ? base::Duration(120s) : base::Duration(2s);
  ClientHost& client = world.add_client(std::move(setup));
  const ConnectionRecord& record = client.connect(std::move(requests));
  EXPECT_TRUE(world.run_until_done(record, limit)) << record.describe();
  EXPECT_EQ(world.server.sum(&stats::WorkerCounters::handshakes_completed), 1U);
  const auto count = [&](auto counter) { return world.server.sum(counter); };
  EXPECT_TRUE(world.run_until([&] { return count(&stats::WorkerCounters::streams_active) == 0; }, end_limit));
  EXPECT_EQ(count(&stats::WorkerCounters::send_buffer_bytes), 0U);
}

class TransferOverIp : public OverBoth {};
INSTANTIATE_TEST_SUITE_P(Ip, TransferOverIp, kBothIpVersions, name_of);

TEST(Transfer, BringsThreeFilesOverACleanPath) {
  for_each_seed(1, [](std::uint64_t seed) {
    expect_transfer(
        seed, [](LinkOptions&) {}, files({2 * kMegabyte, 3 * kMegabyte, 5 * kMegabyte}), 12s);
  });
}

TEST(Transfer, BringsFilesBothWaysAtOnce) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer(
        seed, [](LinkOptions&) {}, files({kMegabyte, kMegabyte}, kMegabyte), 10s);
  });
}

TEST(Transfer, SurvivesLossOfUpToThirtyPercent) {
  for_each_seed(2, [](std::uint64_t seed) {
    for (const double loss : {0.01, 0.02, 0.05, 0.1, 0.2, 0.3}) {
      const testing::ScopedTrace trace(__FILE__, __LINE__, "loss " + std::to_string(loss));
      expect_transfer(
          seed, [&](LinkOptions& link) { link.loss = loss; }, files({200'000, 100'000}, 50'000), 120s);
    }
  });
}

TEST(Transfer, SurvivesTwoPercentLossWithinAMinute) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer(
        seed, [](LinkOptions& link) { link.loss = 0.02; }, files({2 * kMegabyte}), 60s);
  });
}

TEST(Transfer, SurvivesCorruptedPackets) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer(
        seed, [](LinkOptions& link) { link.corrupted = 0.02; }, files({2 * kMegabyte}), 60s);
  });
}

TEST(Transfer, SurvivesReorderingAndDuplication) {
  for_each_seed(3, [](std::uint64_t seed) {
    const auto impair = [](LinkOptions& link) {
      link.delayed = 0.1;
      link.duplicated = 0.1;
    };
    expect_transfer(seed, impair, files({kMegabyte, kMegabyte}, 200'000), 60s);
  });
}

TEST_P(TransferOverIp, SurvivesEverythingAtOnce) {
  for_each_seed(3, [](std::uint64_t seed) {
    const auto impair = [](LinkOptions& link) {
      link.delayed = 0.05;
      link.duplicated = 0.05;
      link.loss = 0.05;
      link.corrupted = 0.05;
      link.marked_ce = 0.05;
    };
    expect_transfer(seed, impair, files({300'000, 300'000}, 100'000), 120s, GetParam());
  });
}

TEST(Transfer, FillsAPathOfOneAndAHalfSeconds) {
  for_each_seed(1, [](std::uint64_t seed) {
    expect_transfer(
        seed, [](LinkOptions& link) { link.delay = 750ms; }, files({2 * kMegabyte}), 60s);
  });
}

TEST_P(TransferOverIp, FindsThePacketSizeThatAPathCarries) {
  for_each_seed(2, [](std::uint64_t seed) {
    expect_transfer(
        seed, [](LinkOptions& link) { link.mtu_bytes = 1'280; }, files({kMegabyte}, kMegabyte), 15s,
        GetParam());
  });
}

TEST(Transfer, GoesOnAfterTwoSecondsOfSilence) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed);
    const auto off = std::pair(world.network.now() + 3s, world.network.now() + 5s);
    ClientHost& client = world.add_client(path_with([&](LinkOptions& link) { link.blackholes = {off}; }));
    const ConnectionRecord& record = client.connect(files({10 * kMegabyte}));
    EXPECT_TRUE(world.run_until_done(record, 25s));
    EXPECT_GT(client.line().down.statistics().dropped, 10U);
  });
}

TEST(Transfer, CarriesTwoThousandStreamsWithinTheirLimit) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client(path_with([](LinkOptions& link) { link.loss = 0.01; }));
    const ConnectionRecord& record = client.connect(std::vector<Request>(1'999, {.answer_bytes = 32}));
    EXPECT_TRUE(world.run_until_done(record, 30s)) << record.describe();
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::requests_completed), 1'999U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::requests_failed), 0U);
  });
}

TEST(Transfer, MarksItsPacketsWhereThePathKeepsEcn) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client(path_with([](LinkOptions& link) { link.marked_ce = 0.01; }));
    const ConnectionRecord& record = client.connect(files({2 * kMegabyte}));
    ASSERT_TRUE(world.run_until_done(record, 30s));
    const LinkStatistics& down = client.line().down.statistics();
    EXPECT_GT(down.marked_ect0 * 10, down.entered * 9);
  });
}

TEST(Transfer, StopsMarkingWhereThePathBleachesEcn) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client(path_with([](LinkOptions& link) { link.keeps_ecn = false; }));
    const ConnectionRecord& record = client.connect(files({2 * kMegabyte}));
    ASSERT_TRUE(world.run_until_done(record, 30s));
    const LinkStatistics& down = client.line().down.statistics();
    EXPECT_GT(down.marked_ect0, 0U);
    EXPECT_LT(down.marked_ect0, 100U);
  });
}

// A full buffer wakes its writers when there is room in the smallest of the three limits.
TEST(Transfer, GoesOnWhereAConnectionMayKeepLessThanAStream) {
  for_each_seed(1, [](std::uint64_t seed) {
    for (const bool is_connections : {true, false}) {
      World world(seed, {.change = [&](quic::EndpointOptions& options) {
                    options.transport.connection_send_buffer_bytes = is_connections ? 40'000 : 1 << 20;
                    options.send_buffer_bytes = is_connections ? 1 << 20 : 40'000;
                  }});
      const ConnectionRecord& record = world.add_client().connect(files({300'000, 300'000}));
      EXPECT_TRUE(world.run_until_done(record, 20s)) << is_connections << record.describe();
    }
  });
}

// The client has no credit to give, so the server stops; then it goes on.
TEST(Transfer, WaitsForAClientThatDoesNotRead) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientSetup setup;
    setup.change = [](quic::EndpointOptions& options) {
      options.transport.initial_max_stream_data_bytes = 50'000;
    };
    ClientHost& client = world.add_client(std::move(setup));
    ConnectionRecord& record = client.connect(files({kMegabyte}));
    record.is_reading = false;
    world.network.run_for(3s);
    EXPECT_EQ(record.requests[0].received, 50'000U);
    record.is_reading = true;
    client.runner().post([&] { record.connection->find_stream(0)->consume(50'000); });
    EXPECT_TRUE(world.run_until_done(record, 10s));
  });
}

}  // namespace
}  // namespace knul::sim
