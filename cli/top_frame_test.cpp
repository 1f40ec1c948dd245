#include "cli/top_frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace knul::cli {
namespace {

using nlohmann::ordered_json;

Sample sample(ordered_json statistics, std::size_t connections = 0) {
  Sample made;
  made.statistics = std::move(statistics);
  for (std::size_t i = 0; i < connections; ++i) {
    made.connections.push_back({.id = static_cast<double>(i), .peer = "peer-" + std::to_string(i) + "."});
  }
  made.matches = static_cast<double>(connections);
  return made;
}

std::string joined(const Frame& frame) {
  std::string text;
  for (const std::string& line : frame.lines) {
    text += line + "\n";
  }
  return text;
}

bool has(const Frame& frame, const std::string& text) {
  return joined(frame).find(text) != std::string::npos;
}

class TopFrame : public testing::Test {
 protected:
  TopView view() { return {.address = "here", .first = &first_, .earlier = &first_, .now = &now_}; }

  Sample first_ = sample({{"uptime_ms", 1'000}});
  Sample now_ = sample({{"uptime_ms", 2'000},
                        {"total_requests", 250},
                        {"total_bytes_out", 125'000},
                        {"connections_active", 12},
                        {"connections_hibernating", 4},
                        {"certificate_days_left", 29},
                        {"request_latency_p99_ms", 1.2},
                        {"packets_dropped_malformed", 3},
                        {"send_limited_us_pacing", 10},
                        {"workers", 2}},
                       40);
};

TEST_F(TopFrame, ShowsRatesLimitsAndReasons) {
  const Frame frame = make_frame(view(), {});
  EXPECT_TRUE(has(frame, "250 requests/s")) << joined(frame);
  EXPECT_TRUE(has(frame, "out 1.00 Mbit/s"));
  EXPECT_TRUE(has(frame, "12 active (4 hibernating)"));
  EXPECT_TRUE(has(frame, "certificate 29 days left"));
  EXPECT_TRUE(has(frame, "p99 1.2ms"));
  EXPECT_TRUE(has(frame, "packets_dropped_malformed 3/s (3)"));
  EXPECT_TRUE(has(frame, "limited by  pacing 100 %"));
  EXPECT_TRUE(has(frame, "40 connections, by sent, descending"));
}

TEST_F(TopFrame, FillsEveryTerminalExactly) {
  TopView wide = view();
  wide.address = std::string(300, 'a');
  wide.message = std::string(1'000, 'm');
  now_.statistics["handshakes_failed_timeout"] = 1e18;
  for (const FrameSize size : {FrameSize{80, 24}, {1, 1}, {10, 3}, {79, 12}, {120, 40}, {500, 200}}) {
    const Frame frame = make_frame(wide, size);
    EXPECT_EQ(frame.lines.size(), size.rows);
    EXPECT_TRUE(
        std::ranges::all_of(frame.lines, [&](const auto& line) { return line.size() == size.columns; }));
  }
}

TEST_F(TopFrame, HasRoomForElevenConnectionsAndTheKeysOnASmallTerminal) {
  const Frame frame = make_frame(view(), {80, 24});
  EXPECT_EQ(frame.table_rows, 11U);
  EXPECT_TRUE(frame.lines[frame.header_line].starts_with("PEER"));
  EXPECT_TRUE(has(frame, "v verdict")) << joined(frame);
  EXPECT_TRUE(frame.lines.back().starts_with("r reverse  p pause  q quit"));
}

TEST_F(TopFrame, MovesWithinTheConnections) {
  TopView moved = view();
  moved.first_row = 5;
  EXPECT_TRUE(has(make_frame(moved, {}), "peer-5."));
  EXPECT_FALSE(has(make_frame(moved, {}), "peer-4."));
  moved.first_row = 1'000;
  const Frame last = make_frame(moved, {});
  EXPECT_EQ(last.first_row, 29U);
  EXPECT_TRUE(has(last, "peer-39."));
}

TEST_F(TopFrame, SaysWhatTheServerDoes) {
  now_.statistics["draining"] = 1;
  EXPECT_TRUE(has(make_frame(view(), {}), "DRAINING"));
  now_.statistics["certificate_expired"] = 1;
  EXPECT_TRUE(has(make_frame(view(), {}), "certificate EXPIRED"));
  TopView lost = view();
  lost.message = "no reading, trying again: \x1b[2J";
  lost.is_paused = true;
  const Frame frame = make_frame(lost, {});
  EXPECT_TRUE(has(frame, "no reading, trying again: \\x1b[2J"));
  EXPECT_TRUE(has(frame, "PAUSED"));
}

TEST_F(TopFrame, SaysThatTheListIsAPartOrMissing) {
  now_.matches = 12'345;
  TopView by_state = view();
  by_state.order = *order_by_key('2', 80);
  EXPECT_TRUE(
      has(make_frame(by_state, {}), "12.3k connections, the table has 40 with the lowest IDs, by state"));
  now_.list_failure = "status 429";
  EXPECT_TRUE(has(make_frame(view(), {}), "no list of connections: status 429"));
}

TEST_F(TopFrame, HasNoRatesBeforeTheSecondReading) {
  TopView fresh = view();
  fresh.earlier = nullptr;
  EXPECT_TRUE(has(make_frame(fresh, {}), "rates       after the next reading"));
}

TEST_F(TopFrame, CountsTheReasonsThatDoNotFit) {
  for (int i = 0; i < 20; ++i) {
    now_.statistics["packets_dropped_reason_" + std::to_string(i)] = 5;
  }
  const Frame frame = make_frame(view(), {});
  EXPECT_TRUE(has(frame, ", +")) << joined(frame);
  EXPECT_EQ(frame.table_rows, 11U);
}

TEST_F(TopFrame, HasNoByteThatATerminalObeys) {
  now_.statistics["packets_dropped_\x1b[31m"] = 5;
  now_.statistics["version"] = "\x1b]0;title\x07";
  const std::string text = joined(make_frame(view(), {200, 60}));
  EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return (c >= ' ' && c <= '~') || c == '\n'; }));
}

}  // namespace
}  // namespace knul::cli
