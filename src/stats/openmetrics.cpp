// Written by hand: prometheus-cpp 1.0's TextSerializer writes the older format, in which TYPE and sample have
// the same name for a counter. It has no UNIT lines, no info metrics and no EOF, and prints counters as
// doubles of 16 digits. Each of its lines would have to be rewritten.
#include "stats/openmetrics.hpp"

#include "base/utc_text.hpp"
#include "stats/catalogue.hpp"
#include "stats/text_writer.hpp"

namespace knul::stats {
namespace {

struct FamilyHead {
  std::string_view family;
  std::string_view type;
  Unit unit;
  std::string_view help;
};

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::kNone:
      return "";
    case Unit::kBytes:
      return "bytes";
    case Unit::kDays:  // OpenMetrics requires base units; write_value converts
    case Unit::kSeconds:
    case Unit::kMilliseconds:
    case Unit::kMicroseconds:
      return "seconds";
  }
  return "";
}

// The older format names a counter's family as its samples, and has no units.
void write_head(TextWriter& writer, MetricsFormat format, const FamilyHead& head) {
  const bool is_older = format == MetricsFormat::kPrometheus;
  const std::string_view suffix = is_older && head.type == "counter" ? "_total" : "";
  writer << "# TYPE knul_" << head.family << suffix << " " << head.type << "\n";
  if (head.unit != Unit::kNone && !is_older) {
    writer << "# UNIT knul_" << head.family << " " << unit_name(head.unit) << "\n";
  }
  writer << "# HELP knul_" << head.family << suffix << " " << head.help << "\n";
}

void write_value(TextWriter& writer, Unit unit, std::uint64_t value) {
  if (unit == Unit::kMilliseconds) {
    writer << static_cast<double>(value) / 1e3 << "\n";
  } else if (unit == Unit::kMicroseconds) {
    writer << static_cast<double>(value) / 1e6 << "\n";
  } else if (unit == Unit::kDays) {
    writer << value * base::kSecondsPerDay << "\n";
  } else {
    writer << value << "\n";
  }
}

std::string_view family_help(std::string_view family) {
  for (const auto& entry : kLabelledFamilies) {
    if (entry.family == family)
      return entry.help;
  }
  return "";
}

// Invariant: the members of a labelled family are adjacent in the list (catalogue_test.cpp).
template <class Table, class Owner>
void write_values(TextWriter& writer, MetricsFormat format, const Table& table, const Owner& owner) {
  std::string_view open_family;
  for (const auto& entry : table) {
    const bool is_counter = entry.kind == Kind::kCounter;
    if (entry.family != open_family) {
      const std::string_view help = entry.label_key.empty() ? entry.help : family_help(entry.family);
      write_head(writer, format, {entry.family, is_counter ? "counter" : "gauge", entry.unit, help});
      open_family = entry.family;
    }
    writer << "knul_" << entry.family << (is_counter ? "_total" : "");
    if (!entry.label_key.empty())
      writer << "{" << entry.label_key << "=\"" << entry.label_value << "\"}";
    writer << " ";
    write_value(writer, entry.unit, owner.*entry.value);
  }
}

double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

// One bucket per power of two: the finer steps are for our own quantiles and would only make the scraper
// slower.
void write_histogram(TextWriter& writer, MetricsFormat format, const Histogram& entry,
                     const HistogramSnapshot& histogram) {
  write_head(writer, format, {entry.family, "histogram", Unit::kSeconds, entry.help});
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < HistogramLayout::kOverflow; ++i) {
    cumulative += histogram.bucket(i);
    if (i % HistogramLayout::kSteps != 0)
      continue;
    writer << "knul_" << entry.family << "_bucket{le=\"" << seconds(HistogramLayout::upper_bound(i)) << "\"} "
           << cumulative << "\n";
  }
  writer << "knul_" << entry.family << "_bucket{le=\"+Inf\"} " << histogram.count() << "\n";
  writer << "knul_" << entry.family << "_sum " << seconds(histogram.sum_nanoseconds()) << "\n";
  writer << "knul_" << entry.family << "_count " << histogram.count() << "\n";
}

void write_escaped(TextWriter& writer, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view c = text.substr(i, 1);
    writer << (c == "\n" ? "\\n" : c == "\"" ? "\\\"" : c == "\\" ? "\\\\" : c);
  }
}

void write_info(TextWriter& writer, MetricsFormat format, const ServerSnapshot& server) {
  const bool is_older = format == MetricsFormat::kPrometheus;
  writer << (is_older ? "# TYPE knul_info gauge\n# HELP knul_info" : "# TYPE knul info\n# HELP knul");
  writer << " Versions and modes of the server.\nknul_info{";
  std::string_view separator;
  for (const auto& entry : kServerTexts) {
    writer << separator << entry.key << "=\"";
    write_escaped(writer, server.*entry.value);
    writer << "\"";
    separator = ",";
  }
  writer << "} 1\n";
}

}  // namespace

void render_metrics(MetricsFormat format, const ServerSnapshot& server, std::string& out) {
  TextWriter writer(out);
  write_info(writer, format, server);
  write_values(writer, format, kServerValues, server);
  write_values(writer, format, kTotals, server.totals);
  for (const auto& entry : kHistograms)
    write_histogram(writer, format, entry, server.totals.*entry.value);
  if (format == MetricsFormat::kOpenMetrics) {
    writer << "# EOF\n";
  }
}

}  // namespace knul::stats
