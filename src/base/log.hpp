// The log that layers receive in their constructors. server/log_sink.cpp decides where messages go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace knul::base {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// The subject of a message, one per call site. Each kind has its own rate limit, so that messages that a peer
// can cause at any rate neither fill the log nor hide other messages.
enum class LogKind : std::uint8_t {
  kLog,            // the log itself
  kCertificate,    // the server's certificate has expired
  kSocketBuffers,  // the kernel granted smaller buffers than requested
  kSteering,       // all workers share one socket
  kGso,            // the kernel refuses segmentation offload
  kEcn,            // the kernel refuses ECN marks
  kAlpnRefused,    // a client offers no protocol of the server
  kNotAccepted,    // the first packet of a client created no connection
  kConnect,        // a client could not start a connection
};
inline constexpr std::size_t kLogKinds = 9;

class LogSink {
 public:
  virtual ~LogSink() = default;

  // Writes the text that `make_text` returns. Calls it only if the level is enabled and the kind has not used
  // up its rate. Thread: any. Never throws and never waits for a descriptor. When memory is short, the
  // message is lost.
  template <class MakeText>
  void write(LogLevel level, LogKind kind, MakeText&& make_text) noexcept {
    if (!admit(level, kind)) {
      return;
    }
    try {
      put(level, kind, std::forward<MakeText>(make_text)());
    } catch (...) {
    }
  }

 protected:
  // True: write the message; it has used a part of the rate of its kind. A message above the rate is counted.
  virtual bool admit(LogLevel level, LogKind kind) noexcept = 0;
  // May throw std::bad_alloc.
  virtual void put(LogLevel level, LogKind kind, std::string_view text) = 0;
};

// Drops all messages, for tests and for layers without a log.
class NullLogSink final : public LogSink {
 protected:
  bool admit(LogLevel, LogKind) noexcept override { return false; }
  void put(LogLevel, LogKind, std::string_view) override {}
};

}  // namespace knul::base
