// A log message as a line: text for people, or a JSON object.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/log.hpp"

namespace knul::server {

struct LogRecord {
  base::LogLevel level = base::LogLevel::kOff;
  base::LogKind kind = base::LogKind::kLog;
  std::string text = {};
  std::uint64_t omitted = 0;  // messages of the kind that were not written before this one
  std::chrono::system_clock::time_point at = {};
};

enum class LogFormat : std::uint8_t { kText, kJson };

// Texts of peers are escaped where they enter a message (base::quoted). This is the last guard: control
// characters become spaces, so that a message is one line whatever it holds.
[[nodiscard]] std::string one_line(std::string text);

// Ends with a newline and has no other control character. May throw std::bad_alloc.
[[nodiscard]] std::string line_of(const LogRecord& record, LogFormat format);

}  // namespace knul::server
