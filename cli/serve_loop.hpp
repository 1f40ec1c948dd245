// The life of a started server in `knul serve`: signals, statistics, the service manager, the drain.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "cli/commands.hpp"
#include "cli/output_writer.hpp"
#include "cli/serve_reporter.hpp"
#include "cli/service_manager.hpp"
#include "cli/stop_signals.hpp"

namespace knul::cli {

// A moment that comes again after each interval. A negative interval: never.
class Repeating {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Repeating(std::chrono::milliseconds interval)
      : interval_(interval), next_(Clock::now() + interval) {}

  // True once when the moment has come.
  bool take(Clock::time_point now) {
    if (interval_.count() < 0 || now < next_) {
      return false;
    }
    next_ = now + interval_;
    return true;
  }
  // The wait for the moment, rounded up; -1: without end.
  [[nodiscard]] std::chrono::milliseconds left(Clock::time_point now) const {
    using std::chrono::milliseconds;
    return interval_.count() < 0 ? milliseconds(-1)
                                 : std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next_ - now));
  }

 private:
  std::chrono::milliseconds interval_;
  Clock::time_point next_;
};

// The objects that the loop uses. Lifetime: longer than the loop.
struct ServeParts {
  std::uint64_t handle;
  StopSignals& signals;
  OutputWriter& output;
  ServeReporter& reporter;
  ServiceManager& manager;
};

// Runs until a signal, then drains. Invariant: a second signal ends the process. Thread: one.
class ServeLoop {
 public:
  // `address`: of the server, for the status that the service manager shows.
  ServeLoop(const ServeParts& parts, std::string address) : parts_(parts), address_(std::move(address)) {}

  // A negative interval prints no statistics.
  void run_until_stop(std::chrono::milliseconds interval);
  CommandResult drain(std::chrono::milliseconds deadline);

 private:
  void handle(StopSignals::Wake wake);
  void reload();
  void keep_alive();
  void report_drain(std::chrono::milliseconds elapsed, std::chrono::milliseconds deadline,
                    const std::string& statistics);
  [[noreturn]] void force();
  void flush();

  ServeParts parts_;
  std::string address_;
};

}  // namespace knul::cli
