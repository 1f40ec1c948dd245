#include "server/log_filter.hpp"

#include <strings.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/text.hpp"

namespace knul::server {
namespace {

using base::LogLevel;

struct NamedLevel {
  std::string_view name;
  LogLevel level;
};
constexpr auto kLevels = std::to_array<NamedLevel>({{"trace", LogLevel::kTrace},
                                                    {"debug", LogLevel::kDebug},
                                                    {"info", LogLevel::kInfo},
                                                    {"warning", LogLevel::kWarning},
                                                    {"error", LogLevel::kError},
                                                    {"off", LogLevel::kOff},
                                                    {"warn", LogLevel::kWarning},
                                                    {"err", LogLevel::kError}});

bool are_equal(std::string_view text, std::string_view name) {
  return text.size() == name.size() && ::strncasecmp(text.data(), name.data(), text.size()) == 0;
}

std::optional<LogLevel> level_of(std::string_view word) {
  const auto* const found =
      std::ranges::find_if(kLevels, [&](const NamedLevel& known) { return are_equal(word, known.name); });
  return found == kLevels.end() ? std::nullopt : std::optional(found->level);
}

std::optional<std::size_t> subsystem_of(std::string_view word) {
  const auto* const found = std::ranges::find_if(
      base::kLogSubsystems, [&](std::string_view name) { return are_equal(word, name); });
  return found == base::kLogSubsystems.end()
             ? std::nullopt
             : std::optional(static_cast<std::size_t>(found - base::kLogSubsystems.begin()));
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpaces);
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

base::Error unknown_word(std::string_view whole, std::string_view word) {
  constexpr std::size_t kShown = 80;
  std::string subsystems;
  for (const std::string_view name : base::kLogSubsystems) {
    subsystems.append(subsystems.empty() ? "" : ", ").append(name);
  }
  return {base::ErrorKind::kInvalidArgument,
          "KNUL_LOG is " + base::quoted(whole.substr(0, kShown)) +
              ", expected trace, debug, info, warning, error or off, and for a subsystem quic=debug (" +
              subsystems + "); " + base::quoted(word.substr(0, kShown)) + " is none of these words"};
}

}  // namespace

base::Result<LogFilter> LogFilter::parse(std::string_view text) {
  std::optional<LogLevel> level_of_all;
  std::array<std::optional<LogLevel>, base::kLogSubsystems.size()> own;
  for (std::string_view left = text; !left.empty();) {
    const std::size_t comma = std::min(left.find(','), left.size());
    const std::string_view part = trimmed(left.substr(0, comma));
    left.remove_prefix(std::min(comma + 1, left.size()));
    if (part.empty()) {
      continue;
    }
    const std::size_t equals = part.find('=');
    const std::string_view word = trimmed(equals == std::string_view::npos ? part : part.substr(equals + 1));
    const std::optional<LogLevel> level = level_of(word);
    if (!level) {
      return unknown_word(text, word);
    }
    if (equals == std::string_view::npos) {
      level_of_all = level;
      continue;
    }
    const std::string_view name = trimmed(part.substr(0, equals));
    const std::optional<std::size_t> subsystem = subsystem_of(name);
    if (!subsystem) {
      return unknown_word(text, name);
    }
    own[*subsystem] = level;
  }
  LogFilter filter;
  for (std::size_t i = 0; i < own.size(); ++i) {
    filter.levels_[i] = own[i].value_or(level_of_all.value_or(kDefault));
  }
  return filter;
}

std::string_view level_name(LogLevel level) noexcept { return kLevels[static_cast<std::size_t>(level)].name; }

}  // namespace knul::server
