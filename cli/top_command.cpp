#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/admin_address.hpp"
#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/standard_output.hpp"
#include "cli/terminal.hpp"
#include "cli/top_frame.hpp"
#include "cli/top_session.hpp"

namespace knul::cli {
namespace {

using std::chrono::milliseconds;

struct TopFlags {
  std::string address = kDefaultAdminAddress;
  bool once = false;
  bool json = false;
  double interval_seconds = 1;
};

// Without the spaces and lines at the end that fill a terminal.
std::string plain_text(const Frame& frame) {
  std::string text;
  for (const std::string& line : frame.lines) {
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text.substr(0, text.find_last_not_of('\n') + 1) + "\n";
}

CommandResult print_once(const TopFlags& flags, const AdminAddress& address, milliseconds interval) {
  auto pair = sample_twice(address, interval);
  if (!pair) {
    return std::move(pair).error();
  }
  std::string text;
  if (flags.json) {
    text = sample_report(address.shown, pair->earlier, pair->later)
               .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
           "\n";
  } else {
    sort_connections(pair->later.connections, first_order());
    text = plain_text(make_frame({.address = address.shown,
                                  .first = &pair->earlier,
                                  .earlier = &pair->earlier,
                                  .now = &pair->later,
                                  .has_keys = false},
                                 terminal_size(STDOUT_FILENO)));
  }
  const auto printed = print(text);
  return printed ? CommandResult(ExitCode::kSuccess) : CommandResult(printed.error());
}

CommandResult watch(const TopFlags& flags) {
  const auto address = parse_admin_address(flags.address);
  if (!address) {
    return address.error();
  }
  const milliseconds interval(static_cast<std::int64_t>(flags.interval_seconds * 1e3));
  if (flags.once) {
    return print_once(flags, *address, interval);
  }
  if (flags.json) {
    return usage_failure("--json needs --once");
  }
  if (::isatty(STDOUT_FILENO) != 1) {
    return usage_failure("standard output is no terminal, expected one, or --once to print one frame");
  }
  const auto ended = run_top(*address, interval);
  return ended ? CommandResult(ExitCode::kSuccess) : CommandResult(ended.error());
}

}  // namespace

void add_top_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<TopFlags>();
  CLI::App* const command = app.add_subcommand("top", "Watch a running server: rates, limits, connections");
  command
      ->add_option("ADDRESS", flags->address,
                   "HOST:PORT, or the path of a Unix socket, of the server's --admin")
      ->check(not_empty())
      ->capture_default_str();
  command->add_option("--interval", flags->interval_seconds, "Seconds between two readings")
      ->type_name("SECONDS")
      ->check(decimal(0.1, 3'600))
      ->capture_default_str();
  command->add_flag("--once", flags->once, "Print one frame after one interval, and exit");
  command->add_flag("--json", flags->json, "With --once: one JSON object");
  command->footer("Exit codes: 0 ended by a key or a signal, 1 no server or another answer, 2 wrong usage.");
  command->callback([flags, &result] { result = watch(*flags); });
}

}  // namespace knul::cli
