#include "cli/check_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

using krepis::Finding;
using krepis::FindingLevel;

constexpr std::size_t kLevelColumns = 9;
constexpr std::size_t kNameColumns = 16;
// Names in certificates and paths may be long.
constexpr std::size_t kMostBytes = 4'000;

const char* name_of(FindingLevel level) {
  return level == FindingLevel::kOk ? "ok" : level == FindingLevel::kWarning ? "warning" : "failure";
}

FindingLevel worst(std::span<const Finding> findings) {
  FindingLevel level = FindingLevel::kOk;
  for (const Finding& finding : findings) {
    level = std::max(level, finding.level);
  }
  return level;
}

std::string count_of(std::span<const Finding> findings, FindingLevel level) {
  const auto count = std::ranges::count(findings, level, &Finding::level);
  return std::to_string(count) + " " + name_of(level) + (count == 1 ? "" : "s");
}

}  // namespace

bool has_failure(std::span<const Finding> findings) { return worst(findings) == FindingLevel::kFailure; }

std::string check_text(std::span<const Finding> findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fitted(name_of(finding.level), kLevelColumns) + fitted(finding.name, kNameColumns) +
            escaped(finding.found, kMostBytes) + "\n";
    if (!finding.advice.empty()) {
      text += std::string(kLevelColumns + kNameColumns, ' ') +
              "to do: " + escaped(finding.advice, kMostBytes) + "\n";
    }
  }
  return text + count_of(findings, FindingLevel::kFailure) + ", " +
         count_of(findings, FindingLevel::kWarning) + "\n";
}

std::string check_json(std::span<const Finding> findings) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    rows.push_back({{"name", finding.name},
                    {"level", name_of(finding.level)},
                    {"found", finding.found},
                    {"advice", finding.advice}});
  }
  const nlohmann::ordered_json report = {{"level", name_of(worst(findings))}, {"findings", rows}};
  return report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace knul::cli
