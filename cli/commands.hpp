// The commands of `knul`. Each adds its flags to the application. CLI11 runs the callback of the chosen
// command, which sets `result`.
#pragma once

#include "cli/outcome.hpp"

namespace CLI {
class App;
}

namespace knul::cli {

using CommandResult = Outcome<ExitCode>;

// Lifetime: `result` outlives the parse.
Outcome<void> add_serve_command(CLI::App& app, CommandResult& result);
void add_cert_command(CLI::App& app, CommandResult& result);
void add_perf_command(CLI::App& app, CommandResult& result);
void add_get_command(CLI::App& app, CommandResult& result);
void add_stats_command(CLI::App& app, CommandResult& result);
void add_top_command(CLI::App& app, CommandResult& result);
Outcome<void> add_check_command(CLI::App& app, CommandResult& result);

}  // namespace knul::cli
