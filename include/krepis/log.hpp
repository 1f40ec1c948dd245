// The log of the library, for a program that collects its messages. Part of krepis.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

namespace krepis {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError };

// A message of the library's log.
struct LogLine {
  LogLevel level = LogLevel::kWarning;
  std::string_view subsystem;  // "server", "tls", "udp", "quic" or "channel"
  std::string_view kind;       // a name for programs, such as "connection_limit"; docs/operating.md
  std::string_view text;       // one line without control characters; usually UTF-8
  std::uint64_t omitted = 0;   // earlier messages of the kind above its rate (one a second, bursts of ten)
  std::chrono::system_clock::time_point at;
};

// Gives the messages of this process's log to `handler` in place of standard error; null: to standard error
// again. The environment variable KNUL_LOG selects the messages in both cases.
// Thread: any. The handler runs on the log's own thread, which blocks all signals, one call at a time. While
// it runs, messages wait in a queue of 256; further ones are dropped and counted (log_messages_dropped). It
// may call the library, also this function. The log catches and counts an exception that it throws.
// Blocks: until a running call of the earlier handler has returned, except within a handler. The earlier
// handler is not called after that. Lifetime: what the handler refers to must live until it is replaced, or
// until the process has ended: a message of the exit may still reach it. No effect in a forked child.
void set_log_handler(std::function<void(const LogLine& line)> handler);

}  // namespace krepis
