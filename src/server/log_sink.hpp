// The process's log: standard error, or a handler of the program. The environment variables KNUL_LOG (levels,
// see LogFilter) and KNUL_LOG_FORMAT (text or json) are read at the first use.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/log.hpp"
#include "server/log_format.hpp"
#include "server/log_writer.hpp"

namespace knul::server {

// Thread: any. Lifetime: never destroyed, because workers may still log while the process exits. Inert in a
// forked child.
[[nodiscard]] base::LogSink& process_log();

struct LogLosses {
  std::uint64_t limited = 0;  // above the rate of their kind
  // Standard error, the handler or a channel accepted them too slowly or not at all.
  std::uint64_t dropped = 0;
};
// Messages of this process that were not written. Thread: any.
[[nodiscard]] LogLosses process_log_losses() noexcept;

// Counts messages that the handler accepted and then lost. Thread: any.
void count_lost_log_messages(std::uint64_t count) noexcept;

// As LogWriter::set_handler. No effect in a forked child.
void set_process_log_handler(LogWriter::Handler handler);

// The format named by a value of KNUL_LOG_FORMAT, in upper or lower case; nothing for an unknown name.
[[nodiscard]] std::optional<LogFormat> parse_log_format(std::string_view text) noexcept;

}  // namespace knul::server
