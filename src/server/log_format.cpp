#include "server/log_format.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "server/log_filter.hpp"

namespace knul::server {
namespace {

// "2026-11-29T23:06:42.123Z". UTC, because localtime_r takes a lock, which a child forked meanwhile would
// find locked forever.
std::string time_text(std::chrono::system_clock::time_point at) {
  namespace chrono = std::chrono;
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss time(chrono::floor<chrono::milliseconds>(at - day));
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string text_line(const LogRecord& record) {
  const base::LogKindFacts& facts = base::facts_of(record.kind);
  const std::string_view subsystem = base::kLogSubsystems[static_cast<std::size_t>(facts.subsystem)];
  std::string line = time_text(record.at) + " knul ";
  line.append(level_name(record.level)).append(" ").append(subsystem).append(": ");
  line += one_line(record.text);
  if (record.omitted > 0) {
    line += " (" + std::to_string(record.omitted) + " earlier messages of this kind omitted)";
  }
  return line + '\n';
}

std::string json_line(const LogRecord& record) {
  const base::LogKindFacts& facts = base::facts_of(record.kind);
  std::string line = "{\"time\":\"" + time_text(record.at) + "\",\"level\":\"";
  line.append(level_name(record.level)).append("\",\"subsystem\":\"");
  line.append(base::kLogSubsystems[static_cast<std::size_t>(facts.subsystem)]);
  line.append("\",\"kind\":\"").append(facts.name).append("\",\"message\":");
  line +=
      nlohmann::json(one_line(record.text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (record.omitted > 0) {
    line += ",\"omitted\":" + std::to_string(record.omitted);
  }
  return line + "}\n";
}

}  // namespace

std::string one_line(std::string text) {
  const auto is_control = [](char byte) { return (byte >= 0 && byte < 0x20) || byte == 0x7f; };
  std::ranges::replace_if(text, is_control, ' ');
  return text;
}

std::string line_of(const LogRecord& record, LogFormat format) {
  return format == LogFormat::kJson ? json_line(record) : text_line(record);
}

}  // namespace knul::server
