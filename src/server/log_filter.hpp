// Which messages are written: the value of the environment variable KNUL_LOG.
#pragma once

#include <array>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"

namespace knul::server {

// A level for each subsystem. Thread: any; nothing changes it after parse().
class LogFilter {
 public:
  static constexpr base::LogLevel kDefault = base::LogLevel::kWarning;

  LogFilter() { levels_.fill(kDefault); }

  // A default level and levels by subsystem, in any order, separated by commas: "warn", "info,quic=debug".
  // Upper or lower case; spaces around the parts. A later part of the same subsystem replaces an earlier
  // one. Nothing but spaces and commas is the default. Error: the text names the unknown word and the
  // expected words.
  static base::Result<LogFilter> parse(std::string_view text);

  [[nodiscard]] bool admits(base::LogLevel level, base::LogKind kind) const noexcept {
    return level >= levels_[static_cast<std::size_t>(base::facts_of(kind).subsystem)] &&
           level != base::LogLevel::kOff;
  }

 private:
  std::array<base::LogLevel, base::kLogSubsystems.size()> levels_;
};

// "trace", "debug", "info", "warning", "error" or "off".
[[nodiscard]] std::string_view level_name(base::LogLevel level) noexcept;

}  // namespace knul::server
