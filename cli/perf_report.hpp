// The result of one measurement, for people and as JSON, and the progress line while it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/perf_run.hpp"

namespace knul::cli {

enum class PerfMode : std::uint8_t { kDownload, kUpload, kRequests, kHandshakes };
[[nodiscard]] std::string_view name_of(PerfMode mode);

struct PerfSummary {
  PerfMode mode = PerfMode::kDownload;
  std::uint64_t connections = 1;
  std::uint64_t parallel = 1;  // streams of a connection, requests in flight, handshakes at a time
  std::uint64_t failed = 0;    // handshakes
  std::uint64_t resumed = 0;   // of the completed handshakes
};

// One line without an end. The run is over.
[[nodiscard]] std::string text_report(const PerfSummary& summary, const PerfRun& run);
[[nodiscard]] std::string json_report(const PerfSummary& summary, const PerfRun& run);

// What a run has done so far; `expected` units in all, or a duration, or neither.
struct PerfGoal {
  std::optional<std::uint64_t> units;
  std::optional<std::chrono::duration<double>> duration;
};
[[nodiscard]] std::string progress_text(PerfMode mode, const PerfRun& run, const PerfGoal& goal);

}  // namespace knul::cli
