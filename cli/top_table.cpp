#include "cli/top_table.hpp"

#include <algorithm>
#include <array>

#include "cli/quantity.hpp"
#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

constexpr std::size_t kAlways = 0;
constexpr std::size_t kWide = 120;
constexpr std::size_t kWidePeer = 47;  // an IPv6 address in brackets with its port

std::string time_text(double seconds) { return seconds > 0 ? format_short_duration(seconds) : "-"; }

using Row = ConnectionSample;
constexpr auto kColumns = std::to_array<TopColumn>({
    {'1', "PEER", "peer", "", 21, kAlways, &Row::peer},
    {'l', "ALPN", "alpn", "", 8, kWide, &Row::alpn},
    {'n', "SERVER NAME", "name", "", 20, kWide, &Row::server_name},
    {'2', "ST", "state", "", 3, kAlways, &Row::state},
    {'3', "AGE", "age", "age_ms", 5, kAlways, nullptr, &Row::age_seconds, &format_short_duration},
    {'4', "IDLE", "idle", "idle_ms", 5, kAlways, nullptr, &Row::idle_seconds, &format_short_duration},
    {'5', "RTT", "rtt", "smoothed_rtt_us", 5, kAlways, nullptr, &Row::rtt_seconds, &time_text},
    {'6', "P50", "p50", "", 5, kAlways, nullptr, &Row::request_p50_seconds, &time_text},
    {'7', "P99", "p99", "request_p99_ms", 5, kAlways, nullptr, &Row::request_p99_seconds, &time_text},
    {'8', "RECV", "received", "bytes_received", 5, kAlways, nullptr, &Row::bytes_received, &format_count},
    {'9', "SENT", "sent", "bytes_sent", 5, kAlways, nullptr, &Row::bytes_sent, &format_count},
    {'0', "LOST", "lost", "packets_lost", 5, kAlways, nullptr, &Row::packets_lost, &format_count},
    {'v', "LIMIT", "verdict", "", 6, kAlways, &Row::limit},
});
constexpr std::size_t kPeer = 0;
constexpr std::size_t kSent = 10;
constexpr std::size_t kLimit = kColumns.size() - 1;
static_assert(kColumns[kPeer].text == &Row::peer && kColumns[kSent].number == &Row::bytes_sent &&
              kColumns[kLimit].text == &Row::limit);
using Widths = std::array<std::size_t, kColumns.size()>;

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

std::string cell(const Row& row, const TopColumn& column, std::size_t width) {
  if (column.number != nullptr) {
    return column.format(row.*column.number);
  }
  if (column.text == &Row::limit && row.verdict.size() <= width) {
    return row.verdict;
  }
  const bool has_short_names = column.text == &Row::limit || column.text == &Row::state;
  return has_short_names ? short_name(row.*column.text) : row.*column.text;
}

bool is_shown(std::size_t column, std::size_t columns) { return columns >= kColumns[column].from_columns; }

// Returns the width of each column, 0 for those not shown. One space separates columns; the first and the
// last column get the space that is left.
Widths widths_of(std::size_t columns) {
  Widths widths{};
  std::size_t used = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) {
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
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) {
      continue;
    }
    const std::string cell_text = text_of(i, widths[i]);
    line += i == 0 ? "" : " ";
    line += i == kPeer
                ? fitted_in_middle(cell_text, widths[i])
                : fitted(cell_text, widths[i], kColumns[i].text != nullptr ? Align::kLeft : Align::kRight);
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
  return TableOrder{static_cast<std::size_t>(found - kColumns.begin()), found->number != nullptr};
}

std::string list_target(const TableOrder& order) {
  const std::string_view key = kColumns[order.column].server_key;
  return "/connections?sort=" + std::string(key.empty() ? "id" : key) +
         "&descending=" + (order.is_descending && !key.empty() ? "true" : "false") +
         "&limit=" + std::to_string(kMostTableRows);
}

void sort_connections(std::vector<ConnectionSample>& connections, const TableOrder& order) {
  const TopColumn& column = kColumns[order.column];
  std::ranges::sort(connections, {}, &Row::id);
  std::ranges::stable_sort(connections, [&](const Row& one, const Row& other) {
    const Row& first = order.is_descending ? other : one;
    const Row& second = order.is_descending ? one : other;
    return column.text != nullptr ? first.*column.text < second.*column.text
                                  : first.*column.number < second.*column.number;
  });
}

std::string table_header(const TableOrder& order, std::size_t columns) {
  return line(columns, [&](std::size_t column, std::size_t) {
    const std::string marker = order.column != column ? "" : order.is_descending ? "v" : "^";
    return std::string(kColumns[column].title) + marker;
  });
}

std::string table_row(const ConnectionSample& connection, std::size_t columns) {
  return line(columns, [&](std::size_t column, std::size_t width) {
    return cell(connection, kColumns[column], width);
  });
}

}  // namespace knul::cli
