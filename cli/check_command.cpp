#include <krepis/krepis.h>
#include <krepis/inspect.hpp>
#include <krepis/log.hpp>

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <utility>

#include "cli/check_report.hpp"
#include "cli/commands.hpp"
#include "cli/server_control.hpp"
#include "cli/settings_flags.hpp"
#include "cli/standard_output.hpp"

namespace knul::cli {
namespace {

struct CheckFlags {
  SettingsFlags settings;
  bool json = false;
};

// Fails for a value that no server accepts. Errors in certificate files become rows instead.
Outcome<void> check_values(const MergedConfig& config) {
  auto checked = check_settings(config.json);
  if (checked || checked.error().library_code != KREPIS_INVALID_REQUEST) {
    return {};
  }
  return with_source(std::move(checked).error(), config);
}

CommandResult check(const CheckFlags& flags) {
  // Silences the log; the report has the same facts.
  krepis::set_log_handler([](const krepis::LogLine& /*line*/) {});
  const auto config = merged_config(flags.settings, environment_of_process());
  if (!config) {
    return config.error();
  }
  if (auto checked = check_values(*config); !checked) {
    return std::move(checked).error();
  }
  const auto findings = krepis::inspect(config->json);
  if (!findings) {
    return run_failure(findings.error().message);
  }
  const std::string text = flags.json ? check_json(*findings) : check_text(*findings);
  if (auto printed = print(text); !printed) {
    return std::move(printed).error();
  }
  return has_failure(*findings) ? ExitCode::kFailure : ExitCode::kSuccess;
}

}  // namespace

Outcome<void> add_check_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App* const command =
      app.add_subcommand("check", "Examine settings and this machine before a server runs here");
  command->add_flag("--json", flags->json, "One JSON object on standard output");
  if (auto added = add_settings_flags(*command, flags->settings); !added) {
    return added;
  }
  command->footer(
      "Takes the settings of `knul serve` from the same places. Binds the port for a moment.\n"
      "Exit codes: 0 no failure (there may be warnings), 1 a failure, 2 wrong usage.");
  command->callback([flags, &result] { result = check(*flags); });
  return {};
}

}  // namespace knul::cli
