// The calls of the C interface that `knul serve` makes, with C++ results.
#pragma once

#include <cstdint>
#include <string>

#include "cli/outcome.hpp"

namespace knul::cli {

Outcome<std::uint64_t> start_server(const std::string& json);

// JSON texts, see krepis.h; empty: the server has stopped.
[[nodiscard]] std::string server_info(std::uint64_t handle);
[[nodiscard]] std::string server_statistics(std::uint64_t handle);

// True: every worker has answered within a second. Also true after the server has stopped. Blocks for the
// answers.
[[nodiscard]] bool do_workers_answer(std::uint64_t handle);

// Checks settings, certificate and key without a socket or a thread.
Outcome<void> check_settings(const std::string& json);

// Reads certificate and key again; the server keeps the earlier ones after an error.
Outcome<void> reload_server(std::uint64_t handle);

struct StopResult {
  bool is_clean = false;    // nothing was cut
  bool is_stopped = false;  // `report` is valid
  std::string report;       // JSON
  std::string error;        // when not clean
};
// Blocks for as long as the drain takes.
StopResult stop_server(std::uint64_t handle, std::uint64_t deadline_ms);

}  // namespace knul::cli
