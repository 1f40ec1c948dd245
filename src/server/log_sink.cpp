#include "server/log_sink.hpp"

#include <strings.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "posix/clock.hpp"
#include "server/fork_guard.hpp"
#include "server/log_limiter.hpp"
#include "server/log_writer.hpp"

namespace knul::server {
namespace {

using base::LogKind;
using base::LogLevel;

// The longest wait of an exiting process for its last messages, if standard error accepts nothing.
constexpr std::chrono::milliseconds kFlushAtExit{100};

struct NamedLevel {
  std::string_view name;
  LogLevel level;
};
constexpr auto kLevels = std::to_array<NamedLevel>({{"trace", LogLevel::kTrace},
                                                    {"debug", LogLevel::kDebug},
                                                    {"info", LogLevel::kInfo},
                                                    {"warning", LogLevel::kWarning},
                                                    {"warn", LogLevel::kWarning},
                                                    {"error", LogLevel::kError},
                                                    {"err", LogLevel::kError},
                                                    {"off", LogLevel::kOff}});

class ProcessLog final : public base::LogSink {
 public:
  ProcessLog() {
    const char* const wanted = std::getenv("KNUL_LOG");
    if (wanted == nullptr || *wanted == '\0') {
      return;
    }
    if (const auto level = parse_log_level(wanted)) {
      level_ = *level;
      return;
    }
    const std::string_view shown = std::string_view(wanted).substr(0, 80);
    write(LogLevel::kWarning, LogKind::kLog, [&] {
      return "KNUL_LOG is \"" + std::string(shown) +
             "\", expected trace, debug, info, warning, error or off; logging warnings and errors";
    });
  }

  [[nodiscard]] LogLosses losses() const noexcept { return {limiter_.left_out(), writer_.dropped()}; }
  void flush() noexcept { writer_.flush(kFlushAtExit); }

 protected:
  bool admit(LogLevel level, LogKind kind) noexcept override {
    return level >= level_ && level != LogLevel::kOff && !is_forked_child() &&
           limiter_.take(kind, posix::monotonic_now());
  }
  void put(LogLevel level, LogKind kind, std::string_view text) override {
    writer_.put(level, text, limiter_.take_left_out(kind));
  }

 private:
  LogLevel level_ = LogLevel::kWarning;
  LogLimiter limiter_;
  LogWriter writer_{STDERR_FILENO};
};

ProcessLog& log_of_process();

void flush_at_exit() {
  if (!is_forked_child()) {
    log_of_process().flush();
  }
}

ProcessLog& log_of_process() {
  static ProcessLog* const log = [] {
    auto* const made = new ProcessLog;
    (void)std::atexit(&flush_at_exit);
    return made;
  }();
  return *log;
}

}  // namespace

base::LogSink& process_log() { return log_of_process(); }

LogLosses process_log_losses() noexcept { return log_of_process().losses(); }

std::optional<LogLevel> parse_log_level(std::string_view text) noexcept {
  for (const NamedLevel& known : kLevels) {
    if (text.size() == known.name.size() && ::strncasecmp(text.data(), known.name.data(), text.size()) == 0) {
      return known.level;
    }
  }
  return std::nullopt;
}

}  // namespace knul::server
