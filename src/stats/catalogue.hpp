// statistics.def as tables: the name, meaning and value of each entry.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "stats/snapshot.hpp"

namespace knul::stats {

enum class Kind : std::uint8_t { kCounter, kGauge };
enum class Unit : std::uint8_t { kNone, kBytes, kDays, kSeconds, kMilliseconds, kMicroseconds };

#define KNUL_CONTRACT(json_key, value, help) #json_key,
// JSON has these first, and leaves out list entries with the same name.
inline constexpr auto kContractKeys = std::to_array<std::string_view>({
#include "stats/statistics.def"
});

constexpr bool is_contract_key(std::string_view key) {
  for (const std::string_view contract : kContractKeys) {
    if (contract == key)
      return true;
  }
  return false;
}

// `fragment` is ,"key": and is returned unchanged, or empty if the contract has the key already.
constexpr std::string_view json_fragment(std::string_view fragment) {
  return is_contract_key(fragment.substr(2, fragment.size() - 4)) ? std::string_view() : fragment;
}

// An integer of `Owner`, which is Snapshot (summed over workers) or ServerSnapshot (one per server).
template <class Owner>
struct Statistic {
  std::string_view key;            // JSON key
  std::string_view json_fragment;  // ,"key": as it stands in JSON; empty for a contract field
  std::string_view family;         // OpenMetrics name without knul_ and _total
  std::string_view label_key;      // empty when the family has no label
  std::string_view label_value;
  std::string_view help;
  std::uint64_t Owner::*value;
  Kind kind;
  Unit unit;
};

struct Histogram {
  std::string_view key;
  std::string_view family;
  std::string_view help;
  HistogramSnapshot Snapshot::*value;
};

struct Text {
  std::string_view key;
  std::string_view help;
  std::string_view ServerSnapshot::*value;
};

struct LabelledFamily {
  std::string_view family;
  std::string_view help;
};

// Only the structs and these tables name the members, because both come from the list.
#define KNUL_COUNTER(member, unit, family, help)                                                            \
  {#member,   json_fragment(",\"" #member "\":"), #family, "", "", help, &Snapshot::member, Kind::kCounter, \
   Unit::unit},
#define KNUL_GAUGE(member, unit, family, help)                                                            \
  {#member,   json_fragment(",\"" #member "\":"), #family, "", "", help, &Snapshot::member, Kind::kGauge, \
   Unit::unit},
#define KNUL_COUNTER_BY(family, key, value, help) \
  {#family "_" #value,                            \
   json_fragment(",\"" #family "_" #value "\":"), \
   #family,                                       \
   #key,                                          \
   #value,                                        \
   help,                                          \
   &Snapshot::family##_##value,                   \
   Kind::kCounter,                                \
   Unit::kNone},
#define KNUL_TIME_BY(family, key, value, help)       \
  {#family "_us_" #value,                            \
   json_fragment(",\"" #family "_us_" #value "\":"), \
   #family "_seconds",                               \
   #key,                                             \
   #value,                                           \
   help,                                             \
   &Snapshot::family##_us_##value,                   \
   Kind::kCounter,                                   \
   Unit::kMicroseconds},
inline constexpr auto kTotals = std::to_array<Statistic<Snapshot>>({
#include "stats/statistics.def"
});

#define KNUL_SERVER_VALUE(member, unit, family, help) \
  {#member,                                           \
   json_fragment(",\"" #member "\":"),                \
   #family,                                           \
   "",                                                \
   "",                                                \
   help,                                              \
   &ServerSnapshot::member,                           \
   Kind::kGauge,                                      \
   Unit::unit},
#define KNUL_SERVER_COUNTER(member, unit, family, help) \
  {#member,                                             \
   json_fragment(",\"" #member "\":"),                  \
   #family,                                             \
   "",                                                  \
   "",                                                  \
   help,                                                \
   &ServerSnapshot::member,                             \
   Kind::kCounter,                                      \
   Unit::unit},
inline constexpr auto kServerValues = std::to_array<Statistic<ServerSnapshot>>({
#include "stats/statistics.def"
});

#define KNUL_HISTOGRAM(member, family, help) {#member, #family, help, &Snapshot::member},
inline constexpr auto kHistograms = std::to_array<Histogram>({
#include "stats/statistics.def"
});

#define KNUL_SERVER_TEXT(member, help) {#member, help, &ServerSnapshot::member},
inline constexpr auto kServerTexts = std::to_array<Text>({
#include "stats/statistics.def"
});

#define KNUL_FAMILY(family, help) {#family, help},
inline constexpr auto kLabelledFamilies = std::to_array<LabelledFamily>({
#include "stats/statistics.def"
});

}  // namespace knul::stats
