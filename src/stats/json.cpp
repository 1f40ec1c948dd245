// Written by hand instead of nlohmann-json, whose dump of the counters alone takes several times the budget
// of the whole text (json_bench.cpp), because it checks and escapes each key again. Here keys are constants.
// Texts from elsewhere still go through nlohmann-json, and the tests parse the result with it.
#include "stats/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "stats/catalogue.hpp"
#include "stats/text_writer.hpp"

namespace knul::stats {
namespace {

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

void write_text(TextWriter& writer, std::string_view text) {
  if (is_plain(text)) {
    writer << "\"" << text << "\"";
    return;
  }
  writer << nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_contract_value(TextWriter& writer, std::uint64_t value) { writer << value; }
void write_contract_value(TextWriter& writer, double milliseconds) { writer.write_ms(milliseconds); }

// Each field begins with a comma; the object's brace replaces the first one.
void write_contract(TextWriter& writer, const ServerSnapshot& s) {
#define KNUL_CONTRACT(json_key, value, help) \
  writer << ",\"" #json_key "\":";           \
  write_contract_value(writer, value);
#include "stats/statistics.def"
}

template <class Table, class Owner>
void write_values(TextWriter& writer, const Table& table, const Owner& owner) {
  for (const auto& entry : table) {
    if (!entry.json_fragment.empty())
      writer << entry.json_fragment << owner.*entry.value;
  }
}

void write_histogram(TextWriter& writer, std::string_view key, const HistogramSnapshot& histogram) {
  writer << ",\"" << key << "_count\":" << histogram.count();
  writer << ",\"" << key << "_p50_ms\":";
  writer.write_ms(histogram.quantile_ms(0.50)) << ",\"" << key << "_p90_ms\":";
  writer.write_ms(histogram.quantile_ms(0.90)) << ",\"" << key << "_p99_ms\":";
  writer.write_ms(histogram.quantile_ms(0.99));
}

}  // namespace

void render_json(const ServerSnapshot& server, std::string& out) {
  const std::size_t start = out.size();
  {
    TextWriter writer(out);
    write_contract(writer, server);
    write_values(writer, kTotals, server.totals);
    for (const auto& entry : kHistograms)
      write_histogram(writer, entry.key, server.totals.*entry.value);
    write_values(writer, kServerValues, server);
    for (const auto& entry : kServerTexts) {
      writer << ",\"" << entry.key << "\":";
      write_text(writer, server.*entry.value);
    }
    writer << "}";
  }
  out[start] = '{';
}

}  // namespace knul::stats
