// Waits for the signals of `knul serve`: SIGINT and SIGTERM to stop, SIGUSR1 for statistics, SIGHUP to
// reload.
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

  enum class Wake : std::uint8_t { kTimeout, kStop, kStatistics, kReload, kNotified };
  // Without limit if the timeout is negative. Reports each signal once; the kernel merges equal signals that
  // wait.
  Wake wait(std::chrono::milliseconds timeout);

  // Ends a wait with kNotified. Thread: any.
  void notify();

 private:
  sigset_t before_{};
  bool has_stop_come_ = false;
  int signals_;
  int notification_;
};

}  // namespace knul::cli
