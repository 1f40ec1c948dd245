// The logging sink that layers receive in their constructor. What it writes to is decided above
// (server/log_sink.cpp binds it to spdlog); a layer only asks whether a level is on and hands over text.
#pragma once

#include <cstdint>
#include <string_view>

namespace knul::base {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };

class LogSink {
 public:
  virtual ~LogSink() = default;
  // Thread: any. Ask before building an expensive text.
  [[nodiscard]] virtual bool is_enabled(LogLevel level) const = 0;
  // Thread: any. Never throws, never blocks on the network.
  virtual void write(LogLevel level, std::string_view text) = 0;
};

// A sink that drops everything, for tests and for layers without an owner to talk to.
class NullLogSink final : public LogSink {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

}  // namespace knul::base
