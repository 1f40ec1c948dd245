// Compares docs/statistics.md with the list. A failure prints the expected row.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "stats/catalogue.hpp"

namespace knul::stats {
namespace {

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string row(std::string_view key, std::string_view kind, const std::string& metric,
                std::string_view help) {
  return "| " + code(key) + " | " + std::string(kind) + " | " + metric + " | " + std::string(help) + " |";
}

std::string_view kind_name(Kind kind) { return kind == Kind::kCounter ? "counter" : "gauge"; }

std::string_view suffix(Kind kind) { return kind == Kind::kCounter ? "_total" : ""; }

template <class Table>
void append_rows(const Table& table, std::vector<std::string>& rows) {
  for (const auto& entry : table) {
    std::string metric = "knul_" + std::string(entry.family) + std::string(suffix(entry.kind));
    if (!entry.label_key.empty()) {
      metric += "{" + std::string(entry.label_key) + "=\"" + std::string(entry.label_value) + "\"}";
    }
    rows.push_back(row(entry.key, kind_name(entry.kind), code(metric), entry.help));
  }
}

std::vector<std::string> expected_rows() {
  std::vector<std::string> rows;
#define KNUL_CONTRACT(json_key, value, help) rows.push_back(row(#json_key, "contract", "", help));
#include "stats/statistics.def"
  append_rows(kTotals, rows);
  for (const Histogram& entry : kHistograms) {
    const std::string metric = "knul_" + std::string(entry.family);
    for (const std::string_view part : {"_count", "_p50_ms", "_p90_ms", "_p99_ms"}) {
      rows.push_back(row(std::string(entry.key) + std::string(part), "histogram", code(metric), entry.help));
    }
  }
  append_rows(kServerValues, rows);
  for (const Text& entry : kServerTexts) {
    rows.push_back(
        row(entry.key, "text", code("knul_info{" + std::string(entry.key) + "=\"…\"}"), entry.help));
  }
  return rows;
}

std::vector<std::string> documented_rows() {
  std::ifstream document(KNUL_SOURCE_DIR "/docs/statistics.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("| `")) {
      rows.push_back(line);
    }
  }
  return rows;
}

TEST(StatisticsDocument, HasEveryRowOfTheListOnce) {
  const std::vector<std::string> documented = documented_rows();
  for (const std::string& expected : expected_rows()) {
    EXPECT_EQ(std::count(documented.begin(), documented.end(), expected), 1) << expected;
  }
}

TEST(StatisticsDocument, HasNoRowThatTheListLacks) {
  const std::vector<std::string> expected = expected_rows();
  const std::set<std::string> known(expected.begin(), expected.end());
  for (const std::string& documented : documented_rows()) {
    EXPECT_TRUE(known.contains(documented)) << documented;
  }
}

}  // namespace
}  // namespace knul::stats
