// The statistics of a connection beside what the simulated network counts, and its limits in situations that
// are built so that one of them holds.
#include "world.hpp"

namespace knul::sim {
namespace {

using quic::SendLimit;

server::ConnectionRow only_row(World& world) {
  const std::vector<server::ConnectionRow> rows = world.server.worker(0).core().list_connections({});
  EXPECT_EQ(rows.size(), 1U);
  return rows.empty() ? server::ConnectionRow{} : rows.front();
}

LinkOptions losing(double share) {
  LinkOptions options;
  options.loss = share;
  return options;
}

LinkOptions with_rate(std::uint64_t bits_per_second) {
  LinkOptions options;
  options.rate_bits_per_second = bits_per_second;
  return options;
}

ClientSetup over(const LinkOptions& both_ways,
                 std::function<void(quic::EndpointOptions& options)> change = {}) {
  ClientSetup setup;
  setup.up = setup.down = both_ways;
  setup.change = std::move(change);
  return setup;
}

TEST(Statistics, OfATransferWithLossAgreeWithTheNetwork) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed, {.change = be_patient});
    ClientHost& client = world.add_client(over(losing(0.02), be_patient));
    const ConnectionRecord& record =
        client.connect({{.answer_bytes = 10 * kMegabyte}, {.answer_bytes = 10 * kMegabyte}});
    ASSERT_TRUE(world.run_until_done(record, 300s)) << record.describe();
    ASSERT_TRUE(world.run_until([&] { return only_row(world).statistics.streams_active == 0; }, 10s));
    const server::ConnectionRow row = only_row(world);
    const LinkStatistics& down = client.line().down.statistics();
    const LinkStatistics& up = client.line().up.statistics();
    const quic::ConnectionStatistics& found = row.statistics;

    EXPECT_EQ(found.bytes_sent, down.entered_bytes);
    EXPECT_EQ(found.counts.packets_sent, down.entered);
    EXPECT_EQ(found.counts.packets_received, up.entered - up.dropped);
    EXPECT_EQ(row.requests, 2U);
    const auto dropped = static_cast<double>(down.dropped);
    EXPECT_NEAR(static_cast<double>(found.packets_lost), dropped, dropped * 0.2);
    const double packet_bytes = static_cast<double>(found.bytes_sent) / static_cast<double>(down.entered);
    EXPECT_NEAR(static_cast<double>(found.counts.stream_bytes_resent), dropped * packet_bytes,
                dropped * packet_bytes * 0.2);
    EXPECT_NEAR(std::chrono::duration<double>(found.transport.smoothed_rtt) / 1ms, 30, 3);
    EXPECT_NEAR(std::chrono::duration<double>(found.transport.min_rtt) / 1ms, 30, 3);
    EXPECT_NEAR(std::chrono::duration<double>(found.handshake_time) / 1ms, 30, 3);
  });
}

// Without answers the server sends probes only (RFC 9002 §6.2), at most two packets for each timeout.
TEST(Statistics, OfABrokenPathHaveTheProbeTimeoutsOfTheNetwork) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed, {.change = be_patient});
    ClientHost& client = world.add_client(over({}, be_patient));
    const ConnectionRecord& record = client.connect({{.answer_bytes = 100 * kMegabyte}});
    ASSERT_TRUE(world.run_until([&] { return client.line().down.statistics().entered > 2'000; }, 60s));
    ASSERT_EQ(only_row(world).statistics.counts.probe_timeouts, 0U);
    client.line().down.options().loss = client.line().up.options().loss = 1;
    const LinkStatistics& down = client.line().down.statistics();
    std::uint64_t entered = down.entered;
    std::uint32_t probes = 0;
    for (int i = 0; i < 20'000; ++i) {
      world.network.run_for(1ms);
      // The packets of the first milliseconds filled the congestion window.
      probes += std::exchange(entered, down.entered) != down.entered && i > 30 ? 1U : 0U;
    }
    EXPECT_FALSE(record.closed.has_value());
    EXPECT_GE(probes, 5U);
    EXPECT_EQ(only_row(world).statistics.counts.probe_timeouts, probes);
  });
}

TEST(Statistics, OfRequestsHaveTheLatencyOfTheirServer) {
  static constexpr std::size_t kRequests = 200;
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client(over(losing(0.02)));
    std::vector<Request> none;
    none.reserve(kRequests);
    ConnectionRecord& record = client.connect(std::move(none));
    ASSERT_TRUE(world.run_until([&] { return record.is_connected; }, 10s));
    for (std::size_t i = 0; i < kRequests; ++i) {
      client.request(record, {.answer_bytes = 1'000, .server_delay = i % 20 == 0 ? 200ms : 20ms});
      world.network.run_for(50ms);
    }
    ASSERT_TRUE(world.run_until_done(record, 60s)) << record.describe();
    const server::ConnectionRow row = only_row(world);
    EXPECT_EQ(row.requests, kRequests);
    EXPECT_NEAR(row.request_p50_ms, 20, 2);
    EXPECT_NEAR(row.request_p99_ms, 200, 25);  // a step is up to 25 ms wide there
    EXPECT_GE(row.request_max_ms, 200);
  });
}

struct Situation {
  const char* name;
  SendLimit limit;
  LinkOptions link;
  std::function<void(quic::EndpointOptions& options)> client = {};
  std::function<void(quic::EndpointOptions& options)> server = {};
  std::uint64_t answer_bytes = 1'000 * kMegabyte;
};

class LimitedBy : public testing::TestWithParam<Situation> {};

TEST_P(LimitedBy, TheBuiltCauseForFourFifthsOfTheTime) {
  const Situation& situation = GetParam();
  World world(1, {.change = situation.server});
  ClientHost& client = world.add_client(over(situation.link, situation.client));
  ConnectionRecord& record = client.connect({{.answer_bytes = situation.answer_bytes}});
  ASSERT_TRUE(world.run_until([&] { return record.is_connected; }, 10s));
  world.network.run_for(5s);
  const auto shares = only_row(world).statistics.limit_shares;
  double sum = 0;
  for (const double share : shares) {
    sum += share;
  }
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_GE(shares[static_cast<std::size_t>(situation.limit)], 0.8);
}

void with_small_connection_window(quic::EndpointOptions& options) {
  options.transport.initial_max_data_bytes = options.transport.max_window_bytes = 10'000;
}
void with_small_stream_window(quic::EndpointOptions& options) {
  options.transport.initial_max_stream_data_bytes = options.transport.max_stream_window_bytes = 10'000;
}
void with_small_send_buffers(quic::EndpointOptions& options) {
  options.transport.stream_send_buffer_bytes = options.transport.max_stream_send_buffer_bytes = 10'000;
}
void with_bbr(quic::EndpointOptions& options) {
  options.transport.congestion_control = quic::CongestionControl::kBbr;
}

INSTANTIATE_TEST_SUITE_P(
    Situations, LimitedBy,
    testing::Values(Situation{"Application", SendLimit::kApplication, {}, {}, {}, 1'000},
                    Situation{"CongestionWindow", SendLimit::kCongestionWindow, losing(0.05)},
                    Situation{"Pacing", SendLimit::kPacing, with_rate(10'000'000), {}, with_bbr},
                    Situation{
                        "ConnectionWindow", SendLimit::kConnectionWindow, {}, with_small_connection_window},
                    Situation{"StreamWindow", SendLimit::kStreamWindow, {}, with_small_stream_window},
                    Situation{"SendMemory", SendLimit::kSendMemory, {}, {}, with_small_send_buffers}),
    [](const auto& situation) { return situation.param.name; });

}  // namespace
}  // namespace knul::sim
