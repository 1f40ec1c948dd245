#include "cli/top_sample.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "cli/statistic_text.hpp"
#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostTextBytes = 255;
constexpr std::size_t kMostNameBytes = 48;
constexpr std::string_view kLimitPrefix = "send_limited_us_";

std::string largest_share(const ordered_json& row) {
  const auto shares = row.find("limited_shares");
  std::string name;
  double largest = 0;
  if (shares != row.end() && shares->is_object()) {
    for (const auto& [limit, share] : shares->items()) {
      if (share.is_number() && share.get<double>() > largest) {
        largest = share.get<double>();
        name = limit;
      }
    }
  }
  return escaped(name, kMostNameBytes);
}

ConnectionSample connection_in(const ordered_json& row) {
  const auto text = [&](const char* name) { return text_in(row, name, kMostTextBytes); };
  return {.id = number_in(row, "id"),
          .peer = text("peer"),
          .alpn = text("alpn"),
          .server_name = text("server_name"),
          .state = text("state"),
          .verdict = text("verdict"),
          .limit = largest_share(row),
          .age_seconds = number_in(row, "age_ms") / 1e3,
          .idle_seconds = number_in(row, "idle_ms") / 1e3,
          .rtt_seconds = number_in(row, "smoothed_rtt_us") / 1e6,
          .request_p50_seconds = number_in(row, "request_p50_ms") / 1e3,
          .request_p99_seconds = number_in(row, "request_p99_ms") / 1e3,
          .bytes_received = number_in(row, "bytes_received"),
          .bytes_sent = number_in(row, "bytes_sent"),
          .packets_lost = number_in(row, "packets_lost")};
}

double growth(const Sample& earlier, const Sample& later, std::string_view name) {
  return std::max(number_in(later.statistics, name) - number_in(earlier.statistics, name), 0.0);
}

double seconds_between(const Sample& earlier, const Sample& later) {
  return growth(earlier, later, "uptime_ms") / 1e3;
}

// A counter of drops, refusals or failures. The same parts as in admin/page_script.cpp; tests compare both
// with tests/support/losses.txt.
bool is_loss(std::string_view name) {
  constexpr auto kParts = std::to_array<std::string_view>(
      {"_dropped", "_refused_", "_refusals_", "_failed", "_suppressed", "_evicted", "_truncated",
       "_violations", "_errors", "_no_progress", "_transport_error", "_exceptions", "_messages_limited",
       "channel_closes_", "out_of_memory"});
  return std::ranges::any_of(
      kParts, [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

void sort_by_value(std::vector<NamedValue>& values) {
  std::ranges::stable_sort(values, [](const NamedValue& one, const NamedValue& other) {
    return one.value != other.value ? one.value > other.value : one.total > other.total;
  });
}

ordered_json to_json(const std::vector<NamedValue>& values) {
  ordered_json object = ordered_json::object();
  for (const NamedValue& value : values) {
    object[value.name] = value.value;
  }
  return object;
}

}  // namespace

std::vector<ConnectionSample> connections_in(const ordered_json& list, std::size_t most) {
  std::vector<ConnectionSample> connections;
  const auto rows = list.is_object() ? list.find("connections") : list.end();
  if (rows == list.end() || !rows->is_array()) {
    return connections;
  }
  for (const ordered_json& row : *rows) {
    if (row.is_object() && connections.size() < most) {
      connections.push_back(connection_in(row));
    }
  }
  return connections;
}

void set_list(Sample& sample, Outcome<ordered_json> list, std::size_t most) {
  if (!list) {
    sample.list_failure = std::move(list).error().message;
    return;
  }
  sample.list = *std::move(list);
  sample.connections = connections_in(sample.list, most);
  sample.matches = number_in(sample.list, "matches");
}

bool is_restart(const Sample& earlier, const Sample& later) {
  return number_in(later.statistics, "uptime_ms") < number_in(earlier.statistics, "uptime_ms");
}

std::optional<Rates> rates_between(const Sample& earlier, const Sample& later) {
  const double seconds = seconds_between(earlier, later);
  if (seconds <= 0) {
    return std::nullopt;
  }
  const auto rate = [&](const char* name) { return growth(earlier, later, name) / seconds; };
  return Rates{.seconds = seconds,
               .requests = rate("total_requests"),
               .handshakes = rate("handshakes_completed"),
               .bits_in = 8 * rate("total_bytes_in"),
               .bits_out = 8 * rate("total_bytes_out"),
               .packets_in = rate("packets_received"),
               .packets_out = rate("packets_sent"),
               .packets_lost = rate("packets_lost"),
               .errors = rate("errors")};
}

std::vector<NamedValue> limit_shares(const Sample& earlier, const Sample& later) {
  std::vector<NamedValue> shares;
  double sum = 0;
  for (const auto& [name, value] : later.statistics.items()) {
    if (name.starts_with(kLimitPrefix)) {
      const double grown = growth(earlier, later, name);
      sum += grown;
      if (grown > 0) {
        shares.push_back({escaped(name.substr(kLimitPrefix.size()), kMostNameBytes), grown, grown});
      }
    }
  }
  std::ranges::for_each(shares, [&](NamedValue& share) { share.value /= sum; });
  sort_by_value(shares);
  return shares;
}

std::vector<NamedValue> grown_losses(const Sample& first, const Sample& earlier, const Sample& later) {
  const double seconds = seconds_between(earlier, later);
  std::vector<NamedValue> moved;
  for (const auto& [name, value] : later.statistics.items()) {
    const double total = is_loss(name) ? growth(first, later, name) : 0.0;
    if (total > 0) {
      const double rate = seconds > 0 ? growth(earlier, later, name) / seconds : 0.0;
      moved.push_back({escaped(name, kMostNameBytes), rate, total});
    }
  }
  sort_by_value(moved);
  return moved;
}

ordered_json sample_report(const std::string& address, const Sample& earlier, const Sample& later) {
  const Rates rates = rates_between(earlier, later).value_or(Rates{});
  ordered_json report = {{"address", address},
                         {"seconds", rates.seconds},
                         {"requests_per_second", rates.requests},
                         {"handshakes_per_second", rates.handshakes},
                         {"bits_in_per_second", rates.bits_in},
                         {"bits_out_per_second", rates.bits_out},
                         {"packets_in_per_second", rates.packets_in},
                         {"packets_out_per_second", rates.packets_out},
                         {"packets_lost_per_second", rates.packets_lost},
                         {"errors_per_second", rates.errors}};
  report["send_limited_shares"] = to_json(limit_shares(earlier, later));
  report["dropped_per_second"] = to_json(grown_losses(earlier, earlier, later));
  report["matches"] = later.matches;
  const auto rows = later.list.find("connections");
  report["connections"] = rows == later.list.end() ? ordered_json::array() : *rows;
  report["stats"] = later.statistics;
  return report;
}

}  // namespace knul::cli
