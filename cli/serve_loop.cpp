#include "cli/serve_loop.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "cli/server_control.hpp"

namespace knul::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Wake = StopSignals::Wake;

// The interval of reading statistics during the drain, so that the last statistics are at most this old.
constexpr milliseconds kDrainPoll{10};
// The longest wait for standard output to accept the last lines: after a drain, and after a forced end.
constexpr milliseconds kLastFlush{2'000};
constexpr milliseconds kForcedFlush{100};
// The status of a drain, and the request for more time, are sent this often.
constexpr milliseconds kDrainReport{1'000};
// A drain of more than this asks the service manager for more time, always for the next kExtension.
constexpr milliseconds kShortDrain{3'000};
constexpr seconds kExtension{10};

milliseconds since(Repeating::Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Repeating::Clock::now() - begin);
}

milliseconds sooner(milliseconds left, milliseconds right) {
  if (left.count() < 0 || right.count() < 0) {
    return std::max(left, right);
  }
  return std::min(left, right);
}

std::string drain_status(const std::string& statistics, milliseconds elapsed, milliseconds deadline) {
  const auto now = nlohmann::json::parse(statistics, nullptr, false);
  const auto count = [&](const char* name) {
    return now.is_object() ? std::to_string(now.value(name, std::uint64_t{0})) : std::string("unknown");
  };
  return "draining: waits for " + count("active_connections") + " connection(s) with " +
         count("streams_active") + " stream(s), " + std::to_string(elapsed.count() / 1'000) + " of at most " +
         std::to_string((deadline.count() + 999) / 1'000) + " s";
}

}  // namespace

void ServeLoop::run_until_stop(milliseconds interval) {
  Repeating statistics(interval);
  Repeating watchdog(parts_.manager.watchdog_interval().value_or(milliseconds(-1)));
  for (;;) {
    const auto now = Repeating::Clock::now();
    const Wake wake = parts_.signals.wait(sooner(statistics.left(now), watchdog.left(now)));
    if (wake == Wake::kStop) {
      return;
    }
    handle(wake);
    const auto then = Repeating::Clock::now();
    if (statistics.take(then)) {
      parts_.reporter.statistics(server_statistics(parts_.handle));
    }
    if (watchdog.take(then)) {
      keep_alive();
    }
  }
}

void ServeLoop::handle(Wake wake) {
  if (wake == Wake::kStatistics) {
    parts_.reporter.all_statistics(server_statistics(parts_.handle));
  }
  if (wake == Wake::kReload) {
    reload();
  }
}

void ServeLoop::reload() {
  parts_.manager.reloading();
  const auto reloaded = reload_server(parts_.handle);
  if (reloaded) {
    parts_.reporter.reloaded();
    parts_.manager.ready("listening on " + address_ + ", reloaded");
  } else {
    parts_.reporter.reload_failed(reloaded.error().message);
    parts_.manager.ready("listening on " + address_ + ", reload failed: " + reloaded.error().message);
  }
}

// A server whose workers do not answer is restarted by the manager, which gets no message then.
void ServeLoop::keep_alive() {
  if (do_workers_answer(parts_.handle)) {
    parts_.manager.keep_alive();
  }
}

CommandResult ServeLoop::drain(milliseconds deadline) {
  const auto begin = Repeating::Clock::now();
  parts_.reporter.draining(static_cast<std::uint64_t>(deadline.count()));
  std::string last_statistics = server_statistics(parts_.handle);
  parts_.manager.stopping(drain_status(last_statistics, milliseconds(0), deadline),
                          deadline > kShortDrain ? std::optional(kExtension) : std::nullopt);
  StopResult result;
  std::thread stopping([&] {
    result = stop_server(parts_.handle, static_cast<std::uint64_t>(deadline.count()));
    parts_.signals.notify();
  });
  Repeating report(kDrainReport);
  Repeating watchdog(parts_.manager.watchdog_interval().value_or(milliseconds(-1)));
  for (Wake wake = Wake::kTimeout; wake != Wake::kNotified;) {
    wake = parts_.signals.wait(kDrainPoll);
    if (wake == Wake::kStop) {
      force();
    }
    if (std::string now = server_statistics(parts_.handle); !now.empty()) {
      last_statistics = std::move(now);
    }
    if (wake == Wake::kStatistics) {
      parts_.reporter.all_statistics(last_statistics);
    }
    if (wake == Wake::kReload) {
      parts_.reporter.reload_failed("the server drains");
    }
    if (report.take(Repeating::Clock::now())) {
      report_drain(since(begin), deadline, last_statistics);
    }
    if (watchdog.take(Repeating::Clock::now())) {
      keep_alive();
    }
  }
  stopping.join();
  if (!result.is_stopped) {
    return run_failure(result.error);
  }
  parts_.reporter.stopped(result.report, last_statistics);
  flush();
  return result.is_clean ? ExitCode::kSuccess : ExitCode::kCut;
}

void ServeLoop::report_drain(milliseconds elapsed, milliseconds deadline, const std::string& statistics) {
  parts_.manager.status(drain_status(statistics, elapsed, deadline));
  if (deadline > kShortDrain) {
    parts_.manager.extend(kExtension);
  }
}

void ServeLoop::force() {
  parts_.reporter.forced();
  (void)parts_.output.flush(kForcedFlush);
  // Not std::exit, because workers may still run. Nothing else can end the drain early.
  std::_Exit(static_cast<int>(ExitCode::kForced));
}

// Waits at most kLastFlush for standard output to accept the last lines.
void ServeLoop::flush() {
  const auto end = Repeating::Clock::now() + kLastFlush;
  while (!parts_.output.flush(kDrainPoll) && Repeating::Clock::now() < end) {
    if (parts_.signals.wait(milliseconds(0)) == Wake::kStop) {
      force();
    }
  }
}

}  // namespace knul::cli
