#include "server/log_sink.hpp"

#include <strings.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "posix/clock.hpp"
#include "server/fork_guard.hpp"
#include "server/log_filter.hpp"
#include "server/log_limiter.hpp"

namespace knul::server {
namespace {

using base::LogKind;
using base::LogLevel;

// The longest wait of an exiting process for its last messages, if standard error accepts nothing.
constexpr std::chrono::milliseconds kFlushAtExit{100};

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

// Text for people at a terminal, JSON lines for programs that collect logs, unless KNUL_LOG_FORMAT names one.
LogFormat format_of_process() {
  return parse_log_format(variable("KNUL_LOG_FORMAT"))
      .value_or(::isatty(STDERR_FILENO) == 1 ? LogFormat::kText : LogFormat::kJson);
}

class ProcessLog final : public base::LogSink {
 public:
  ProcessLog() {
    if (auto filter = LogFilter::parse(variable("KNUL_LOG"))) {
      filter_ = *filter;
    } else {
      warn(filter.error().message + "; logging warnings and errors");
    }
    const std::string_view format = variable("KNUL_LOG_FORMAT");
    if (!format.empty() && !parse_log_format(format)) {
      warn("KNUL_LOG_FORMAT is " + base::quoted(format.substr(0, 80)) + ", expected text or json");
    }
  }

  [[nodiscard]] LogLosses losses() const noexcept { return {limiter_.left_out(), writer_.dropped()}; }
  void count_lost(std::uint64_t count) noexcept { writer_.count_lost(count); }
  void flush() noexcept { writer_.flush(kFlushAtExit); }
  void set_handler(LogWriter::Handler handler) { writer_.set_handler(std::move(handler)); }

 protected:
  bool admit(LogLevel level, LogKind kind) noexcept override {
    return filter_.admits(level, kind) && !is_forked_child() && limiter_.take(kind, posix::monotonic_now());
  }
  void put(LogLevel level, LogKind kind, std::string_view text) override {
    writer_.put({level, kind, std::string(text), limiter_.take_left_out(kind), {}});
  }

 private:
  void warn(std::string_view text) {
    write(LogLevel::kWarning, LogKind::kLog, [&] { return text; });
  }

  LogFilter filter_;
  LogLimiter limiter_;
  LogWriter writer_{STDERR_FILENO, format_of_process()};
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

void count_lost_log_messages(std::uint64_t count) noexcept { log_of_process().count_lost(count); }

void set_process_log_handler(LogWriter::Handler handler) {
  if (!is_forked_child()) {
    log_of_process().set_handler(std::move(handler));
  }
}

std::optional<LogFormat> parse_log_format(std::string_view text) noexcept {
  const auto is = [&](std::string_view name) {
    return text.size() == name.size() && ::strncasecmp(text.data(), name.data(), name.size()) == 0;
  };
  return is("text")   ? std::optional(LogFormat::kText)
         : is("json") ? std::optional(LogFormat::kJson)
                      : std::nullopt;
}

}  // namespace knul::server
