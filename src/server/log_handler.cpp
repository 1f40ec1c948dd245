#include <krepis/krepis.hpp>

#include <utility>

#include "server/log_sink.hpp"

namespace krepis {
namespace {

using knul::server::LogRecord;

LogLevel to_public(knul::base::LogLevel level) {
  using From = knul::base::LogLevel;
  switch (level) {
    case From::kTrace:
      return LogLevel::kTrace;
    case From::kDebug:
      return LogLevel::kDebug;
    case From::kInfo:
      return LogLevel::kInfo;
    case From::kWarning:
      return LogLevel::kWarning;
    case From::kError:
    case From::kOff:
      break;
  }
  return LogLevel::kError;
}

void call(const std::function<void(const LogLine&)>& handler, const LogRecord& record) {
  const knul::base::LogKindFacts& facts = knul::base::facts_of(record.kind);
  const std::string text = knul::server::one_line(record.text);
  handler({.level = to_public(record.level),
           .subsystem = knul::base::kLogSubsystems[static_cast<std::size_t>(facts.subsystem)],
           .kind = facts.name,
           .text = text,
           .omitted = record.omitted,
           .at = record.at});
}

}  // namespace

void set_log_handler(std::function<void(const LogLine& line)> handler) {
  knul::server::set_process_log_handler(
      handler ? [handler = std::move(handler)](const LogRecord& record) {
        call(handler, record);
        return true;
      } : knul::server::LogWriter::Handler{});
}

}  // namespace krepis
