// The log that layers receive in their constructor. Where messages go is decided above (server/log_sink.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace knul::base {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// What a message is about, one per call site. Each kind has a rate of its own, so that what a peer can cause
// as often as it likes neither fills the log nor hides the other messages.
enum class LogKind : std::uint8_t {
  kLog,            // the log itself
  kCertificate,    // the server's certificate has expired
  kSocketBuffers,  // the kernel gave less than was asked
  kSteering,       // all workers share one socket
  kGso,            // the kernel refuses segmentation offload
  kEcn,            // the kernel refuses ECN marks
  kAlpnRefused,    // a client offers no protocol of ours
  kNotAccepted,    // a client's first packet made no connection
  kConnect,        // a connection of a client could not begin
};
inline constexpr std::size_t kLogKinds = 9;

class LogSink {
 public:
  virtual ~LogSink() = default;

  // Writes the text that `make_text` returns. It is called only for a message that is to be written: its
  // level is on, and its kind has not used up its rate. Thread: any. Never throws and never waits for a
  // descriptor. A message for whose text there is no memory is lost.
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
  // Takes the message from the rate of its kind; counts it when it is above that.
  virtual bool admit(LogLevel level, LogKind kind) noexcept = 0;
  // May throw std::bad_alloc.
  virtual void put(LogLevel level, LogKind kind, std::string_view text) = 0;
};

// A sink that drops everything, for tests and for layers without an owner to talk to.
class NullLogSink final : public LogSink {
 protected:
  bool admit(LogLevel, LogKind) noexcept override { return false; }
  void put(LogLevel, LogKind, std::string_view) override {}
};

}  // namespace knul::base
