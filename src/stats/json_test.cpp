#include "stats/json.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <locale>
#include <nlohmann/json.hpp>

#include "stats/sample_server_test_support.hpp"

namespace knul::stats {
namespace {

using nlohmann::ordered_json;

std::string rendered(const ServerSnapshot& server) {
  std::string out;
  render_json(server, out);
  return out;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

std::string in_quotes(std::string_view key) { return "\"" + std::string(key) + "\":"; }

// The locale of a host program with decimal commas.
class CommaLocale : public ::testing::Test {
 protected:
  struct Punctuation : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  CommaLocale() : previous_(std::locale::global(std::locale(std::locale(), new Punctuation))) {
    std::setlocale(LC_ALL, "de_DE.UTF-8");  // if installed
  }
  ~CommaLocale() override {
    std::setlocale(LC_ALL, "C");
    std::locale::global(previous_);
  }
  std::locale previous_;
};

TEST(Json, BeginsWithTheContractFieldsInTheirOrder) {
  ServerSnapshot server = make_sample_server();
  record_latency(server, std::chrono::microseconds(1500));
  server.uptime_ms = 77;
  const Snapshot& totals = server.totals;

  const ordered_json document = ordered_json::parse(rendered(server));

  const ordered_json expected = {{"total_requests", totals.requests_started},
                                 {"active_connections", totals.connections_active},
                                 {"total_bytes_in", totals.udp_bytes_received},
                                 {"total_bytes_out", totals.udp_bytes_sent},
                                 {"avg_latency_ms", 1.5},
                                 {"error_count", totals.errors},
                                 {"uptime_ms", 77}};
  auto field = document.begin();
  for (const auto& [key, value] : expected.items()) {
    EXPECT_EQ(field.key(), key);
    EXPECT_EQ(field.value(), value);
    ++field;
  }
}

TEST(Json, HoldsEveryEntryOfTheListExactlyOnce) {
  const ServerSnapshot server = make_sample_server();
  const std::string text = rendered(server);
  const ordered_json document = ordered_json::parse(text);
  for (const auto& entry : kTotals) {
    EXPECT_EQ(occurrences(text, in_quotes(entry.key)), 1u) << entry.key;
    EXPECT_EQ(document[std::string(entry.key)], server.totals.*entry.value) << entry.key;
  }
  for (const auto& entry : kServerValues) {
    EXPECT_EQ(occurrences(text, in_quotes(entry.key)), 1u) << entry.key;
    EXPECT_EQ(document[std::string(entry.key)], server.*entry.value) << entry.key;
  }
  for (const auto& entry : kServerTexts) {
    EXPECT_EQ(occurrences(text, in_quotes(entry.key)), 1u) << entry.key;
    EXPECT_EQ(document[std::string(entry.key)], server.*entry.value) << entry.key;
  }
}

TEST(Json, GivesLatencyQuantilesInMilliseconds) {
  ServerSnapshot server;
  record_latency(server, std::chrono::milliseconds(2), 95);
  record_latency(server, std::chrono::milliseconds(40), 5);
  const ordered_json document = ordered_json::parse(rendered(server));
  EXPECT_EQ(document["request_latency_count"], 100);
  EXPECT_NEAR(document["request_latency_p50_ms"], 2.0, 0.25);
  EXPECT_NEAR(document["request_latency_p90_ms"], 2.0, 0.25);
  EXPECT_NEAR(document["request_latency_p99_ms"], 40.0, 5.0);
}

TEST(Json, ShowsLatencyAsAFractionEvenWhenItIsZero) {
  const ordered_json document = ordered_json::parse(rendered(ServerSnapshot()));
  EXPECT_TRUE(document["avg_latency_ms"].is_number_float());
  EXPECT_EQ(document["avg_latency_ms"], 0.0);
}

TEST(Json, KeepsNanosecondsOfTheMeanLatency) {
  ServerSnapshot server;
  record_latency(server, std::chrono::nanoseconds(12'000'034));
  EXPECT_NE(rendered(server).find("\"avg_latency_ms\":12.000034,"), std::string::npos);
}

TEST(Json, CarriesNumbersOfAnyLengthWhole) {
  for (const std::uint64_t number : {std::uint64_t{9}, std::uint64_t{10}, std::uint64_t{UINT64_MAX}}) {
    ServerSnapshot server;
    server.totals.packets_lost = number;
    EXPECT_EQ(ordered_json::parse(rendered(server))["packets_lost"], number);
  }
}

TEST(Json, KeepsTextsThatNeedEscaping) {
  for (const std::string text : {"a \"quote\"", "a \\", "two\nlines", "\x7f", "é"}) {
    ServerSnapshot server;
    server.steering = text;
    EXPECT_EQ(ordered_json::parse(rendered(server))["steering"], text);
  }
}

TEST(Json, ReplacesBrokenUtf8) {
  ServerSnapshot server;
  server.tls_library = "broken \xff byte";
  EXPECT_EQ(ordered_json::parse(rendered(server))["tls_library"], "broken \xEF\xBF\xBD byte");
}

TEST(Json, AppendsBehindWhatTheStringHolds) {
  std::string out = "before ";
  render_json(ServerSnapshot(), out);
  EXPECT_EQ(out, "before " + rendered(ServerSnapshot()));
}

TEST_F(CommaLocale, ChangesNothingInTheJson) {
  ServerSnapshot server = make_sample_server();
  record_latency(server, std::chrono::microseconds(1'234'567));
  const std::string text = rendered(server);
  EXPECT_NE(text.find("\"avg_latency_ms\":1234.567000,"), std::string::npos);
  EXPECT_EQ(ordered_json::parse(text)["total_requests"], server.totals.requests_started);
}

}  // namespace
}  // namespace knul::stats
