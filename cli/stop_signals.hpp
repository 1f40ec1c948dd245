// Waits for SIGINT and SIGTERM.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>

namespace knul::cli {

// Lifetime: one object, created before any thread, because threads inherit the blocked signals.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  enum class Wake : std::uint8_t { kTimeout, kSignal, kNotified };
  // Without limit if the timeout is negative. Reports each signal once.
  Wake wait(std::chrono::milliseconds timeout);

  // Ends a wait with kNotified. Thread: any.
  void notify();

 private:
  sigset_t before_{};
  bool has_signal_come_ = false;
  int signals_;
  int notification_;
};

}  // namespace knul::cli
