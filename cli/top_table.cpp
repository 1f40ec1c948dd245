#include "cli/top_table.hpp"

#include <algorithm>
#include <array>

#include "cli/quantity.hpp"
#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

enum Index : std::size_t {
  kPeer,
  kAlpn,
  kName,
  kState,
  kAge,
  kIdle,
  kRtt,
  kP50,
  kP99,
  kReceived,
  kSent,
  kLost,
  kLimit,
  kCount,
};

constexpr std::size_t kAlways = 0;
constexpr std::size_t kWide = 120;
constexpr std::size_t kWidePeer = 47;  // an IPv6 address in brackets with its port

constexpr std::array<TopColumn, kCount> kColumns = {{
    {'1', "PEER", "peer", "", 21, kAlways, true},
    {'l', "ALPN", "alpn", "", 8, kWide, true},
    {'n', "SERVER NAME", "name", "", 20, kWide, true},
    {'2', "ST", "state", "", 3, kAlways, true},
    {'3', "AGE", "age", "age_ms", 5, kAlways, false},
    {'4', "IDLE", "idle", "idle_ms", 5, kAlways, false},
    {'5', "RTT", "rtt", "smoothed_rtt_us", 5, kAlways, false},
    {'6', "P50", "p50", "", 5, kAlways, false},
    {'7', "P99", "p99", "request_p99_ms", 5, kAlways, false},
    {'8', "RECV", "received", "bytes_received", 5, kAlways, false},
    {'9', "SENT", "sent", "bytes_sent", 5, kAlways, false},
    {'0', "LOST", "lost", "packets_lost", 5, kAlways, false},
    {'v', "LIMIT", "verdict", "", 6, kAlways, true},
}};

struct ShortName {
  std::string_view name;
  std::string_view shown;
};
// docs/knul-command.md explains them.
constexpr std::array<ShortName, 12> kShortNames = {{{"handshaking", "new"},
                                                    {"active", "act"},
                                                    {"hibernating", "hib"},
                                                    {"application", "app"},
                                                    {"congestion_window", "cwnd"},
                                                    {"pacing", "pacing"},
                                                    {"connection_window", "conn"},
                                                    {"stream_window", "stream"},
                                                    {"stream_limit", "limit"},
                                                    {"send_memory", "memory"},
                                                    {"socket", "socket"},
                                                    {"worker", "worker"}}};

std::string short_name(const std::string& name) {
  const auto* const found = std::ranges::find(kShortNames, name, &ShortName::name);
  return found == kShortNames.end() ? name : std::string(found->shown);
}

std::string time_text(double seconds) { return seconds > 0 ? format_short_duration(seconds) : "-"; }

std::string cell(const ConnectionSample& row, std::size_t column, std::size_t width) {
  switch (column) {
    case kPeer:
      return row.peer;
    case kAlpn:
      return row.alpn;
    case kName:
      return row.server_name;
    case kState:
      return short_name(row.state);
    case kAge:
      return format_short_duration(row.age_seconds);
    case kIdle:
      return format_short_duration(row.idle_seconds);
    case kRtt:
      return time_text(row.rtt_seconds);
    case kP50:
      return time_text(row.request_p50_seconds);
    case kP99:
      return time_text(row.request_p99_seconds);
    case kReceived:
      return format_count(row.bytes_received);
    case kSent:
      return format_count(row.bytes_sent);
    case kLost:
      return format_count(row.packets_lost);
    default:
      return row.verdict.size() <= width ? row.verdict : short_name(row.limit);
  }
}

double number(const ConnectionSample& row, std::size_t column) {
  switch (column) {
    case kAge:
      return row.age_seconds;
    case kIdle:
      return row.idle_seconds;
    case kRtt:
      return row.rtt_seconds;
    case kP50:
      return row.request_p50_seconds;
    case kP99:
      return row.request_p99_seconds;
    case kReceived:
      return row.bytes_received;
    case kSent:
      return row.bytes_sent;
    default:
      return row.packets_lost;
  }
}

const std::string& text(const ConnectionSample& row, std::size_t column) {
  switch (column) {
    case kPeer:
      return row.peer;
    case kAlpn:
      return row.alpn;
    case kName:
      return row.server_name;
    case kState:
      return row.state;
    default:
      return row.limit;
  }
}

bool is_shown(std::size_t column, std::size_t columns) { return columns >= kColumns[column].from_columns; }

// The columns of `shown` with a space between them. The first and the last share what is left.
std::array<std::size_t, kCount> widths_of(std::size_t columns) {
  std::array<std::size_t, kCount> widths{};
  std::size_t used = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    widths[i] = is_shown(i, columns) ? kColumns[i].width : 0;
    used += widths[i] + (widths[i] > 0 && i > 0 ? 1 : 0);
  }
  std::size_t left = columns > used ? columns - used : 0;
  const std::size_t peer = columns >= kWide ? std::min(left, kWidePeer - widths[kPeer]) : 0;
  widths[kPeer] += peer;
  left -= peer;
  widths[kLimit] += left;
  return widths;
}

template <class Text>
std::string line(std::size_t columns, const Text& text_of) {
  const auto widths = widths_of(columns);
  std::string line;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (widths[i] == 0) {
      continue;
    }
    const std::string cell_text = text_of(i, widths[i]);
    line += i == 0 ? "" : " ";
    line += i == kPeer ? fitted_in_middle(cell_text, widths[i])
                       : fitted(cell_text, widths[i], kColumns[i].is_text ? Align::kLeft : Align::kRight);
  }
  return fitted(line, columns);
}

}  // namespace

std::span<const TopColumn> top_columns() { return kColumns; }

TableOrder first_order() { return {.column = kSent, .is_descending = true}; }

std::optional<TableOrder> order_by_key(char key, std::size_t columns) {
  const auto* const found = std::ranges::find(kColumns, key, &TopColumn::key);
  if (found == kColumns.end() || columns < found->from_columns) {
    return std::nullopt;
  }
  return TableOrder{static_cast<std::size_t>(found - kColumns.begin()), !found->is_text};
}

std::string list_target(const TableOrder& order) {
  const std::string_view key = kColumns[order.column].server_key;
  return "/connections?sort=" + std::string(key.empty() ? "id" : key) +
         "&descending=" + (order.is_descending && !key.empty() ? "true" : "false") +
         "&limit=" + std::to_string(kMostTableRows);
}

void sort_connections(std::vector<ConnectionSample>& connections, const TableOrder& order) {
  std::ranges::sort(connections, {}, &ConnectionSample::id);
  std::ranges::stable_sort(connections, [&](const ConnectionSample& one, const ConnectionSample& other) {
    const ConnectionSample& first = order.is_descending ? other : one;
    const ConnectionSample& second = order.is_descending ? one : other;
    return kColumns[order.column].is_text ? text(first, order.column) < text(second, order.column)
                                          : number(first, order.column) < number(second, order.column);
  });
}

std::string table_header(const TableOrder& order, std::size_t columns) {
  return line(columns, [&](std::size_t column, std::size_t) {
    const std::string marker = order.column != column ? "" : order.is_descending ? "v" : "^";
    return std::string(kColumns[column].title) + marker;
  });
}

std::string table_row(const ConnectionSample& connection, std::size_t columns) {
  return line(columns,
              [&](std::size_t column, std::size_t width) { return cell(connection, column, width); });
}

}  // namespace knul::cli
