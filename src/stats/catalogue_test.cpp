#include "stats/catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

namespace knul::stats {
namespace {

struct Entry {
  std::string key, family, label_key, label_value, help;
  Kind kind;
  Unit unit;
};

template <class Table>
void append(const Table& table, std::vector<Entry>& out) {
  for (const auto& entry : table) {
    out.push_back({std::string(entry.key), std::string(entry.family), std::string(entry.label_key),
                   std::string(entry.label_value), std::string(entry.help), entry.kind, entry.unit});
  }
}

std::vector<Entry> all_numbers() {
  std::vector<Entry> entries;
  append(kTotals, entries);
  append(kServerValues, entries);
  return entries;
}

bool is_snake_case(const std::string& name) {
  return !name.empty() && name.front() >= 'a' && name.front() <= 'z' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

TEST(Catalogue, KeysAreUniqueAndInSnakeCase) {
  std::set<std::string> seen;
  for (const Entry& entry : all_numbers()) {
    EXPECT_TRUE(is_snake_case(entry.key)) << entry.key;
    EXPECT_TRUE(seen.insert(entry.key).second) << entry.key;
  }
  for (const Text& text : kServerTexts) {
    EXPECT_TRUE(seen.insert(std::string(text.key)).second) << text.key;
  }
}

TEST(Catalogue, FamilyAndLabelTogetherAreUnique) {
  std::set<std::string> seen;
  for (const Entry& entry : all_numbers()) {
    EXPECT_TRUE(is_snake_case(entry.family)) << entry.family;
    EXPECT_TRUE(seen.insert(entry.family + "/" + entry.label_value).second) << entry.key;
  }
}

TEST(Catalogue, FamilyOfAUnitEndsWithIt) {
  for (const Entry& entry : all_numbers()) {
    const bool is_bytes = entry.unit == Unit::kBytes;
    const bool is_seconds = entry.unit != Unit::kNone && !is_bytes;
    EXPECT_EQ(entry.family.ends_with("_bytes"), is_bytes) << entry.key;
    EXPECT_EQ(entry.family.ends_with("_seconds"), is_seconds) << entry.key;
  }
}

TEST(Catalogue, MembersOfAFamilyFollowEachOtherAndAgreeOnTheirLabel) {
  std::set<std::string> finished;
  Entry previous{};
  for (const Entry& entry : all_numbers()) {
    if (entry.family == previous.family) {
      EXPECT_EQ(entry.label_key, previous.label_key) << entry.key;
      EXPECT_FALSE(entry.label_key.empty()) << entry.key;
    } else {
      EXPECT_TRUE(finished.insert(entry.family).second) << entry.key;
    }
    previous = entry;
  }
}

TEST(Catalogue, EveryLabelledFamilyHasExactlyOneHelpText) {
  std::set<std::string> used;
  for (const Entry& entry : all_numbers()) {
    if (!entry.label_key.empty()) {
      used.insert(entry.family);
    }
  }
  std::multiset<std::string> described;
  for (const LabelledFamily& family : kLabelledFamilies) {
    described.insert(std::string(family.family));
  }
  EXPECT_TRUE(std::equal(used.begin(), used.end(), described.begin(), described.end()));
}

TEST(Catalogue, HelpIsASentenceThatNeedsNoEscaping) {
  for (const Entry& entry : all_numbers()) {
    EXPECT_TRUE(entry.help.ends_with(".")) << entry.key;
    EXPECT_EQ(entry.help.find_first_of("\\\"|\n"), std::string::npos) << entry.key;
  }
}

TEST(Catalogue, NamesTheSevenContractFieldsInTheirOrder) {
  const std::vector<std::string_view> expected = {"total_requests",  "active_connections", "total_bytes_in",
                                                  "total_bytes_out", "avg_latency_ms",     "error_count",
                                                  "uptime_ms"};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), kContractKeys.begin(), kContractKeys.end()));
}

}  // namespace
}  // namespace knul::stats
