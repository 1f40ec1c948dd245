#include "server/log_sink.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace knul::server {
namespace {

spdlog::level::level_enum to_spdlog(base::LogLevel level) {
  switch (level) {
    case base::LogLevel::kTrace:
      return spdlog::level::trace;
    case base::LogLevel::kDebug:
      return spdlog::level::debug;
    case base::LogLevel::kInfo:
      return spdlog::level::info;
    case base::LogLevel::kWarning:
      return spdlog::level::warn;
    case base::LogLevel::kError:
      return spdlog::level::err;
    case base::LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

class SpdlogSink final : public base::LogSink {
 public:
  SpdlogSink() : logger_("knul", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    const char* wanted = std::getenv("KNUL_LOG");
    logger_.set_level(wanted == nullptr ? spdlog::level::warn : spdlog::level::from_str(wanted));
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z knul %l %v");
  }

  [[nodiscard]] bool is_enabled(base::LogLevel level) const override {
    return logger_.should_log(to_spdlog(level));
  }
  // spdlog reports its own failures instead of throwing them.
  void write(base::LogLevel level, std::string_view text) override {
    logger_.log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

base::LogSink& process_log() {
  static base::LogSink* const sink = new SpdlogSink;
  return *sink;
}

}  // namespace knul::server
