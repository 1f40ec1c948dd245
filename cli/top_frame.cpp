#include "cli/top_frame.hpp"

#include <algorithm>
#include <cmath>

#include "cli/quantity.hpp"
#include "cli/statistic_text.hpp"
#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

constexpr std::size_t kLabelColumns = 12;
constexpr std::size_t kMostReasonLines = 2;
constexpr std::size_t kMostMessageBytes = 300;

double statistic(const TopView& view, const char* name) { return number_in(view.now->statistics, name); }

std::string count(const TopView& view, const char* name) { return format_count(statistic(view, name)); }

std::string labelled(std::string_view label, const std::string& text) {
  return fitted(label, kLabelColumns) + text;
}

std::string title_line(const TopView& view) {
  const auto workers = format_count(statistic(view, "workers"));
  return "knul top  " + escaped(view.address, 120) + "  up " +
         format_short_duration(statistic(view, "uptime_ms") / 1e3) + "  version " +
         text_in(view.now->statistics, "version", 16) + "  " + workers +
         (workers == "1" ? " worker" : " workers") + (view.is_paused ? "  PAUSED" : "");
}

std::string certificate_text(const TopView& view) {
  if (statistic(view, "certificate_expired") > 0) {
    return "certificate EXPIRED";
  }
  const std::string days = format_count(statistic(view, "certificate_days_left"));
  return "certificate " + days + (days == "1" ? " day left" : " days left");
}

std::string state_line(const TopView& view) {
  if (!view.message.empty()) {
    return labelled("state", escaped(view.message, kMostMessageBytes));
  }
  return labelled("state", std::string(statistic(view, "draining") > 0 ? "DRAINING" : "running") +
                               (view.is_paused ? ", PAUSED here" : "") + "   " + certificate_text(view));
}

std::string connections_line(const TopView& view) {
  return labelled("connections", count(view, "connections_active") + " active (" +
                                     count(view, "connections_hibernating") + " hibernating), " +
                                     count(view, "connections_half_open") + " half-open, " +
                                     count(view, "connections_closing") + " closing, " +
                                     count(view, "streams_active") + " streams");
}

std::string rates_line(const std::optional<Rates>& rates) {
  if (!rates) {
    return labelled("rates", "after the next reading");
  }
  return labelled("rates", format_count(std::round(rates->requests)) + " requests/s, " +
                               format_count(std::round(rates->handshakes)) + " handshakes/s, " +
                               format_count(std::round(rates->packets_lost)) + " lost/s, " +
                               format_count(std::round(rates->errors)) + " errors/s");
}

std::string direction_text(const char* name, double bits, double packets) {
  return name + (" " + format_bit_rate(std::round(bits))) + ", " + format_count(std::round(packets)) +
         " packets/s";
}

std::string traffic_line(const std::optional<Rates>& rates) {
  return labelled("traffic", !rates ? std::string()
                                    : direction_text("in", rates->bits_in, rates->packets_in) + "   " +
                                          direction_text("out", rates->bits_out, rates->packets_out));
}

std::string latency_line(const TopView& view) {
  const auto quantile = [&](const char* label, const char* name) {
    return std::string(label) + format_short_duration(statistic(view, name) / 1e3);
  };
  return labelled("latency", quantile("request p50 ", "request_latency_p50_ms") +
                                 quantile(" p90 ", "request_latency_p90_ms") +
                                 quantile(" p99 ", "request_latency_p99_ms") +
                                 quantile(", handshake p50 ", "handshake_time_p50_ms") +
                                 quantile(" p99 ", "handshake_time_p99_ms"));
}

std::string limits_line(const TopView& view) {
  if (view.earlier == nullptr) {
    return labelled("limited by", "after the next reading");
  }
  std::string text;
  for (const NamedValue& share : limit_shares(*view.earlier, *view.now)) {
    const std::string percent = std::to_string(std::lround(share.value * 100));
    text += percent == "0" ? "" : (text.empty() ? "" : ", ") + share.name + " " + percent + " %";
  }
  return labelled("limited by", text.empty() ? "no sending" : text);
}

// Joins items into at most `most_lines` lines; the last line ends with the number of omitted items.
std::vector<std::string> packed(const std::vector<std::string>& items, std::size_t columns,
                                std::size_t most_lines) {
  constexpr std::size_t kMoreColumns = 10;
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t reserved = lines.size() == most_lines && i + 1 < items.size() ? kMoreColumns : 0;
    if (!lines.back().empty() && lines.back().size() + items[i].size() + 2 + reserved > columns) {
      if (lines.size() == most_lines) {
        lines.back() += ", +" + std::to_string(items.size() - i);
        return lines;
      }
      lines.emplace_back();
    }
    lines.back() += (lines.back().empty() ? "" : ", ") + items[i];
  }
  return lines;
}

void append_losses(const TopView& view, std::size_t columns, std::vector<std::string>& lines) {
  std::vector<std::string> items;
  const Sample& earlier = view.earlier != nullptr ? *view.earlier : *view.now;
  for (const NamedValue& reason : grown_losses(*view.first, earlier, *view.now)) {
    items.push_back(reason.name + " " + format_count(std::round(reason.value)) + "/s (" +
                    format_count(reason.total) + ")");
  }
  const std::size_t space = columns > kLabelColumns ? columns - kLabelColumns : 1;
  const auto texts = packed(items, space, kMostReasonLines);
  for (std::size_t i = 0; i < kMostReasonLines; ++i) {
    const std::string none = items.empty() && i == 0 ? "none since this command started" : "";
    lines.push_back(labelled(i == 0 ? "dropped" : "", i < texts.size() && !items.empty() ? texts[i] : none));
  }
}

std::string count_line(const TopView& view) {
  if (!view.now->list_failure.empty()) {
    return "no list of connections: " + escaped(view.now->list_failure, kMostMessageBytes);
  }
  const TopColumn& column = top_columns()[view.order.column];
  const std::size_t shown = view.now->connections.size();
  std::string text =
      format_count(view.now->matches) + (view.now->matches == 1 ? " connection" : " connections");
  if (static_cast<double>(shown) < view.now->matches) {
    text += ", the table has " + std::to_string(shown) +
            (column.server_key.empty() ? " with the lowest IDs" : " of them");
  }
  return text + ", by " + std::string(column.label) +
         (view.order.is_descending ? ", descending" : ", ascending");
}

// "1 peer  2 state ...": the key of each column of the table.
std::string column_keys(std::size_t columns) {
  std::string text;
  for (const TopColumn& column : top_columns()) {
    if (columns >= column.from_columns) {
      text += (text.empty() ? "" : " ") + std::string(1, column.key) + " " + std::string(column.label);
    }
  }
  return text;
}

std::vector<std::string> summary_lines(const TopView& view, std::size_t columns) {
  const auto rates = view.earlier != nullptr ? rates_between(*view.earlier, *view.now) : std::nullopt;
  std::vector<std::string> lines = {title_line(view),  state_line(view),    connections_line(view),
                                    rates_line(rates), traffic_line(rates), latency_line(view),
                                    limits_line(view)};
  append_losses(view, columns, lines);
  lines.push_back(count_line(view));
  return lines;
}

}  // namespace

Frame make_frame(const TopView& view, FrameSize size) {
  Frame frame{.lines = summary_lines(view, size.columns)};
  frame.header_line = frame.lines.size();
  frame.lines.push_back(table_header(view.order, size.columns));
  const std::vector<std::string> footer =
      view.has_keys ? std::vector<std::string>{column_keys(size.columns),
                                               "r reverse  p pause  q quit  up/down, page keys: move"}
                    : std::vector<std::string>{};
  const std::size_t used = frame.lines.size() + footer.size();
  frame.table_rows = size.rows > used ? size.rows - used : 0;
  const auto& connections = view.now->connections;
  const std::size_t last_first =
      connections.size() > frame.table_rows ? connections.size() - frame.table_rows : 0;
  frame.first_row = std::min(view.first_row, last_first);
  for (std::size_t i = frame.first_row; i < frame.first_row + frame.table_rows; ++i) {
    frame.lines.push_back(i < connections.size() ? table_row(connections[i], size.columns) : "");
  }
  frame.lines.insert(frame.lines.end(), footer.begin(), footer.end());
  frame.lines.resize(size.rows);
  for (std::string& line : frame.lines) {
    line = fitted(line, size.columns);
  }
  return frame;
}

}  // namespace knul::cli
