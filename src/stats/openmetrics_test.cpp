#include "stats/openmetrics.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "stats/sample_server_test_support.hpp"

namespace knul::stats {
namespace {

std::string rendered(const ServerSnapshot& server) {
  std::string out;
  render_metrics(MetricsFormat::kOpenMetrics, server, out);
  return out;
}

struct Parsed {
  int exit_status = -1;
  std::vector<std::string> lines;

  [[nodiscard]] auto count(const std::string& line) const {
    return std::count(lines.begin(), lines.end(), line);
  }
};

// Passes the text to the reference parser of another project. It is a system package, so the system's own
// python3 runs it.
Parsed parse_elsewhere(const std::string& text) {
  const auto file =
      std::filesystem::temp_directory_path() / ("knul-openmetrics-" + std::to_string(::getpid()) + ".txt");
  std::ofstream(file) << text;
  const std::string command =
      "/usr/bin/python3 '" KNUL_SOURCE_DIR "/src/stats/openmetrics_check.py' '" + file.string() + "'";
  Parsed parsed;
  std::string output;
  if (FILE* pipe = ::popen(command.c_str(), "r")) {
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
      output.push_back(static_cast<char>(c));
    }
    parsed.exit_status = ::pclose(pipe);
  }
  std::istringstream stream(output);
  for (std::string line; std::getline(stream, line);) {
    parsed.lines.push_back(line);
  }
  std::filesystem::remove(file);
  return parsed;
}

std::string unit_of(Unit unit) {
  if (unit == Unit::kBytes) {
    return "bytes";
  }
  return unit == Unit::kNone ? "-" : "seconds";
}

std::string printed_by_python(Unit unit, std::uint64_t value) {
  if (unit == Unit::kDays) {
    return std::to_string(value * 86'400);
  }
  const bool is_divided = unit == Unit::kMilliseconds || unit == Unit::kMicroseconds;
  if (!is_divided) {
    return std::to_string(value);
  }
  std::ostringstream out;
  out << static_cast<double>(value) / (unit == Unit::kMilliseconds ? 1e3 : 1e6);
  return out.str();
}

template <class Table, class Owner>
void expect_each_once(const Parsed& parsed, const Table& table, const Owner& owner) {
  for (const auto& entry : table) {
    const bool is_counter = entry.kind == Kind::kCounter;
    std::ostringstream family;
    family << "family knul_" << entry.family << (is_counter ? " counter " : " gauge ") << unit_of(entry.unit);
    std::ostringstream sample;
    sample << "sample knul_" << entry.family << (is_counter ? "_total" : "") << "{";
    if (!entry.label_key.empty()) {
      sample << entry.label_key << "=\"" << entry.label_value << "\"";
    }
    sample << "} " << printed_by_python(entry.unit, owner.*entry.value);
    EXPECT_EQ(parsed.count(family.str()), 1) << family.str();
    EXPECT_EQ(parsed.count(sample.str()), 1) << sample.str();
  }
}

// The older format has the same samples. It differs in the lines before them.
TEST(PrometheusText, HasTheSamplesOfOpenMetricsAndTheNamesOfItsOwn) {
  const auto lines_of = [](MetricsFormat format) {
    std::string text;
    render_metrics(format, make_sample_server(), text);
    std::istringstream stream(text);
    std::vector<std::string> samples;
    std::vector<std::string> comments;
    for (std::string line; std::getline(stream, line);) {
      (line.starts_with("#") ? comments : samples).push_back(line);
    }
    return std::pair(samples, comments);
  };
  const auto [open_samples, open_comments] = lines_of(MetricsFormat::kOpenMetrics);
  const auto [samples, comments] = lines_of(MetricsFormat::kPrometheus);
  EXPECT_EQ(samples, open_samples);
  EXPECT_EQ(std::ranges::count(comments, "# TYPE knul_requests_started_total counter"), 1);
  EXPECT_EQ(std::ranges::count(comments, "# TYPE knul_info gauge"), 1);
  EXPECT_EQ(std::ranges::count(comments, "# TYPE knul_connections_active gauge"), 1);
  for (const std::string& comment : comments) {
    EXPECT_TRUE(comment.starts_with("# TYPE ") || comment.starts_with("# HELP ")) << comment;
  }
}

TEST(OpenMetrics, EveryEntryOfTheListIsReadOnceByTheReferenceParser) {
  const ServerSnapshot server = make_sample_server();
  const Parsed parsed = parse_elsewhere(rendered(server));
  ASSERT_EQ(parsed.exit_status, 0);
  expect_each_once(parsed, kTotals, server.totals);
  expect_each_once(parsed, kServerValues, server);
}

TEST(OpenMetrics, LatencyIsReadAsAHistogramInSecondsByTheReferenceParser) {
  ServerSnapshot server;
  record_latency(server, std::chrono::nanoseconds(1 << 20), 3);
  record_latency(server, std::chrono::hours(30));
  const Parsed parsed = parse_elsewhere(rendered(server));
  ASSERT_EQ(parsed.exit_status, 0);
  EXPECT_EQ(parsed.count("family knul_request_duration_seconds histogram seconds"), 1);
  EXPECT_EQ(parsed.count("sample knul_request_duration_seconds_bucket{le=\"0.000524288\"} 0"), 1);
  EXPECT_EQ(parsed.count("sample knul_request_duration_seconds_bucket{le=\"0.001048576\"} 3"), 1);
  EXPECT_EQ(parsed.count("sample knul_request_duration_seconds_bucket{le=\"70368.744177664\"} 3"), 1);
  EXPECT_EQ(parsed.count("sample knul_request_duration_seconds_bucket{le=\"+Inf\"} 4"), 1);
  EXPECT_EQ(parsed.count("sample knul_request_duration_seconds_sum{} 108000.003145728"), 1);
  EXPECT_EQ(parsed.count("sample knul_request_duration_seconds_count{} 4"), 1);
}

TEST(OpenMetrics, TextsAreEscapedLabelsOfOneInfoMetric) {
  ServerSnapshot server = make_sample_server();
  server.steering = "a \"quote\" and a \\";
  const Parsed parsed = parse_elsewhere(rendered(server));
  ASSERT_EQ(parsed.exit_status, 0);
  std::string expected = "sample knul_info{";
  for (const Text& text : kServerTexts) {
    expected += (expected.ends_with("{") ? "" : ",") + std::string(text.key) + "=\"" +
                std::string(server.*text.value) + "\"";
  }
  EXPECT_EQ(parsed.count(expected + "} 1"), 1) << expected;
}

TEST(OpenMetrics, ReferenceParserRefusesATextThatIsCutShort) {
  std::string text = rendered(ServerSnapshot());
  ASSERT_EQ(parse_elsewhere(text).exit_status, 0);
  text.resize(text.size() - 3);
  EXPECT_NE(parse_elsewhere(text).exit_status, 0);
}

TEST(OpenMetrics, EndsWithTheEndMark) { EXPECT_TRUE(rendered(ServerSnapshot()).ends_with("\n# EOF\n")); }

TEST(OpenMetrics, AppendsBehindWhatTheStringHolds) {
  std::string out = "before\n";
  render_metrics(MetricsFormat::kOpenMetrics, ServerSnapshot(), out);
  EXPECT_EQ(out, "before\n" + rendered(ServerSnapshot()));
}

}  // namespace
}  // namespace knul::stats
