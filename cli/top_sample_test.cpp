#include "cli/top_sample.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knul::cli {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;

Sample sample(ordered_json statistics) {
  Sample made;
  made.statistics = std::move(statistics);
  return made;
}

auto named(const char* name, double value, double total) {
  return AllOf(Field(&NamedValue::name, name), Field(&NamedValue::value, value),
               Field(&NamedValue::total, total));
}

TEST(RatesBetween, DivideByTheTimeOfTheServer) {
  const auto rates =
      rates_between(sample({{"uptime_ms", 1'000}, {"total_requests", 5}, {"total_bytes_in", 100}}),
                    sample({{"uptime_ms", 3'000}, {"total_requests", 25}, {"total_bytes_in", 350}}));
  ASSERT_TRUE(rates);
  EXPECT_EQ(rates->seconds, 2);
  EXPECT_EQ(rates->requests, 10);
  EXPECT_EQ(rates->bits_in, 1'000);
}

TEST(RatesBetween, NeedTimeAndAreNeverNegative) {
  const Sample now = sample({{"uptime_ms", 5}, {"total_requests", 9}});
  EXPECT_FALSE(rates_between(now, now));
  EXPECT_FALSE(rates_between(sample({{"uptime_ms", 9}}), now));
  EXPECT_EQ(rates_between(now, sample({{"uptime_ms", 9}, {"total_requests", 1}}))->requests, 0);
}

TEST(Restart, IsAnUptimeThatWentBack) {
  EXPECT_TRUE(is_restart(sample({{"uptime_ms", 9}}), sample({{"uptime_ms", 8}})));
  EXPECT_FALSE(is_restart(sample({{"uptime_ms", 9}}), sample({{"uptime_ms", 9}})));
}

TEST(LimitShares, AreOfTheTimeBetweenTheSamples) {
  const Sample earlier = sample({{"send_limited_us_application", 100}, {"send_limited_us_pacing", 50}});
  const Sample later = sample(
      {{"send_limited_us_application", 110}, {"send_limited_us_pacing", 80}, {"send_limited_us_worker", 0}});
  EXPECT_THAT(limit_shares(earlier, later),
              ElementsAre(named("pacing", 0.75, 30), named("application", 0.25, 10)));
}

TEST(GrownLosses, AreTheCountersThatGrewSinceTheStart) {
  const Sample first =
      sample({{"uptime_ms", 0}, {"packets_dropped_empty", 1}, {"handshakes_failed_alpn", 7}});
  const Sample earlier =
      sample({{"uptime_ms", 1'000}, {"packets_dropped_empty", 4}, {"handshakes_failed_alpn", 7}});
  const Sample later = sample({{"uptime_ms", 2'000},
                               {"packets_dropped_empty", 4},
                               {"handshakes_failed_alpn", 7},
                               {"connections_refused_limit", 2},
                               {"send_limited_us_pacing", 9},
                               {"connections_accepted", 9}});
  EXPECT_THAT(grown_losses(first, earlier, later),
              ElementsAre(named("connections_refused_limit", 2, 2), named("packets_dropped_empty", 0, 3)));
}

TEST(ConnectionsIn, HaveNoControlCharacterOfAPeer) {
  const ordered_json list = {
      {"connections",
       {{{"peer", "127.0.0.1:1"}, {"alpn", "a\x1b[2J"}, {"server_name", "\xc2\x9b\n"}, {"age_ms", 1'500}}}}};
  const auto rows = connections_in(list, 10);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].alpn, "a\\x1b[2J");
  EXPECT_EQ(rows[0].server_name, "\\xc2\\x9b\\x0a");
  EXPECT_EQ(rows[0].age_seconds, 1.5);
}

TEST(ConnectionsIn, AreBoundedAndAcceptEveryAnswer) {
  ordered_json many = ordered_json::array();
  for (int i = 0; i < 10; ++i) {
    many.push_back({{"id", i}, {"limited_shares", {{"pacing", 0.1}, {"worker", 0.9}, {"socket", "x"}}}});
  }
  const auto rows = connections_in({{"connections", many}}, 3);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].limit, "worker");
  EXPECT_TRUE(connections_in({{"connections", 5}}, 3).empty());
  EXPECT_TRUE(connections_in(ordered_json::array({1}), 3).empty());
  EXPECT_TRUE(connections_in({{"connections", {1, "x", ordered_json::array()}}}, 3).empty());
}

TEST(SampleReport, HasTheRatesTheServedRowsAndTheStatistics) {
  Sample later = sample({{"uptime_ms", 1'000}, {"total_requests", 8}});
  later.list = {{"connections", {{{"id", 4}, {"cipher", "AES-128-GCM"}}}}};
  later.matches = 1;
  const ordered_json report =
      sample_report("here", sample({{"uptime_ms", 500}, {"total_requests", 3}}), later);
  EXPECT_EQ(report["requests_per_second"], 10.0);
  EXPECT_EQ(report["connections"][0]["cipher"], "AES-128-GCM");
  EXPECT_EQ(report["stats"]["total_requests"], 8);
}

}  // namespace
}  // namespace knul::cli
