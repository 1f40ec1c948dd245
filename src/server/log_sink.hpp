// The process's log: standard error, level by the environment variable KNUL_LOG (trace, debug, info, warning,
// error, off; default warning).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/log.hpp"

namespace knul::server {

// Thread: any. Lifetime: never destroyed, because workers may still log while the process exits. Inert in a
// forked child.
[[nodiscard]] base::LogSink& process_log();

struct LogLosses {
  std::uint64_t limited = 0;  // above the rate of their kind
  std::uint64_t dropped = 0;  // standard error accepted them too slowly or not at all
};
// Messages of this process that were not written. Thread: any.
[[nodiscard]] LogLosses process_log_losses() noexcept;

// The level named by a value of KNUL_LOG, in upper or lower case; nothing for an unknown name.
[[nodiscard]] std::optional<base::LogLevel> parse_log_level(std::string_view text) noexcept;

}  // namespace knul::server
