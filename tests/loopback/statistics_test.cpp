// Compares the server's statistics with what a lossy, slow path counted. The simulator (tests/sim) checks the
// same figures, upper bounds of times and shares of time without a scheduler in between.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <optional>
#include <random>

#include "loopback/blocking_client.hpp"
#include "loopback/test_server.hpp"
#include "loopback/udp_proxy.hpp"

namespace knul::test {
namespace {

using namespace std::chrono_literals;

constexpr int kRequests = 15;
constexpr std::size_t kPayloadBytes = 200'000;
constexpr auto kDelay = 15ms;  // one way

nlohmann::json only_row(const krepis::QuicServer& server) {
  std::string text;
  EXPECT_TRUE(server.query_connections(text, "{}"));
  const auto page = nlohmann::json::parse(text);
  EXPECT_EQ(page["connections"].size(), 1U) << text;
  return page["connections"].at(0);
}

// What the server and the path have counted.
struct Counts {
  Counts(const krepis::QuicServer& server, const UdpProxy& proxy)
      : all(statistics_of(server)),
        row(only_row(server)),
        up_bytes(proxy.up().received_bytes - proxy.up().dropped_bytes),
        down_bytes(proxy.down().received_bytes),
        down_packets(proxy.down().received) {}

  // True once nothing is on its way, so that all counts are about the same state.
  [[nodiscard]] bool agree() const {
    return value_in(all, "total_bytes_in") == up_bytes && value_in(all, "total_bytes_out") == down_bytes &&
           row["bytes_sent"] == down_bytes && row["packets_sent"] == down_packets;
  }

  std::string all;
  nlohmann::json row;
  std::uint64_t up_bytes;
  std::uint64_t down_bytes;
  std::uint64_t down_packets;
};

void echo(BlockingClient& client) {
  const std::string payload(kPayloadBytes, 'x');
  for (int i = 0; i < kRequests; ++i) {
    const auto stream = client.send(payload);
    ASSERT_TRUE(stream.has_value());
    const auto answer = client.wait_answer(*stream);
    ASSERT_TRUE(answer.has_value());
    ASSERT_EQ(answer->size(), kPayloadBytes);
  }
}

TEST(StatisticsOnLoopback, OfTrafficThroughLossAndDelayAgreeWithThePath) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto server = start_echo();
  UdpProxy proxy(server->port(), {.delay = kDelay, .loss = 0.02, .seed = seed});
  BlockingClient client;
  ASSERT_TRUE(client.connect(proxy.port()));
  echo(client);
  proxy.set_loss(0);
  std::optional<Counts> last;
  wait_until([&] { return last.emplace(*server, proxy).agree(); });
  const Counts& counts = *last;
  const nlohmann::json& row = counts.row;

  EXPECT_EQ(value_in(counts.all, "total_bytes_in"), counts.up_bytes);
  EXPECT_EQ(value_in(counts.all, "total_bytes_out"), counts.down_bytes);
  EXPECT_EQ(row["bytes_sent"], counts.down_bytes);
  EXPECT_EQ(row["packets_sent"], counts.down_packets);
  EXPECT_EQ(row["requests"], kRequests);
  EXPECT_EQ(value_in(counts.all, "requests_completed"), static_cast<std::uint64_t>(kRequests));
  const auto dropped = static_cast<double>(proxy.down().dropped);
  EXPECT_NEAR(row["packets_lost"].get<double>(), dropped, dropped * 0.2 + 2);
  // The path is never faster than its delay. How much slower it is depends on the scheduler, so it has no
  // bound here.
  EXPECT_GE(row["min_rtt_us"].get<double>(), 30'000);
  EXPECT_GE(row["handshake_us"].get<double>(), 30'000);
}

}  // namespace
}  // namespace knul::test
