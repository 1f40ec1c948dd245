#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/output_writer.hpp"
#include "cli/serve_config.hpp"
#include "cli/serve_loop.hpp"
#include "cli/serve_reporter.hpp"
#include "cli/server_control.hpp"
#include "cli/service_manager.hpp"
#include "cli/settings_flags.hpp"
#include "cli/stop_signals.hpp"

namespace knul::cli {
namespace {

using std::chrono::milliseconds;

// The longest wait for standard output to accept the event of a failed start.
constexpr milliseconds kFailureFlush{100};

// Lifetime: shared with the callback that CLI11 keeps; CLI11 writes into it by reference.
struct ServeFlags {
  SettingsFlags settings;
  bool json = false;
  bool checks_only = false;
  double stats_interval_seconds = 0;
};

std::unique_ptr<ServeReporter> make_reporter(const ServeFlags& flags, OutputWriter& output,
                                             bool is_terminal) {
  return flags.json ? json_reporter(output) : text_reporter(output, LiveLine{is_terminal});
}

CommandResult check(const MergedConfig& config) {
  auto checked = check_settings(config.json);
  if (!checked) {
    Failure failure = with_source(std::move(checked).error(), config);
    failure.code = ExitCode::kUsage;
    return failure;
  }
  return ExitCode::kSuccess;
}

std::string address_of(const nlohmann::json& info) {
  const auto host = info.at("settings").at("host").get<std::string>();
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + info.at("port").dump();
}

CommandResult run_server(const ServeFlags& flags, const ServeParts& parts, bool is_terminal) {
  const std::string text = server_info(parts.handle);
  const auto info = nlohmann::json::parse(text);
  parts.reporter.listening(text);
  ServeLoop loop(parts, address_of(info));
  parts.manager.ready("listening on " + address_of(info));
  const double interval = flags.stats_interval_seconds > 0 ? flags.stats_interval_seconds
                          : is_terminal && !flags.json     ? 1
                                                           : -1e-3;
  loop.run_until_stop(milliseconds(static_cast<std::int64_t>(interval * 1e3)));
  return loop.drain(milliseconds(info.at("settings").at("drain_timeout_ms").get<std::int64_t>()));
}

CommandResult serve(const ServeFlags& flags) {
  const auto environment = environment_of_process();
  const auto config = merged_config(flags.settings, environment);
  if (config && flags.checks_only) {
    return check(*config);
  }
  // The end of a process that reads the log must not end the server.
  std::signal(SIGPIPE, SIG_IGN);
  StopSignals signals;
  const auto handle = config ? start_server(config->json) : Outcome<std::uint64_t>(config.error());
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  OutputWriter output(STDOUT_FILENO);
  const auto reporter = make_reporter(flags, output, is_terminal);
  if (!handle) {
    Failure failure = config ? with_source(handle.error(), *config) : handle.error();
    if (!flags.checks_only) {
      reporter->failed(failure);
      (void)output.flush(kFailureFlush);
    }
    return failure;
  }
  ServiceManager manager(environment);
  return run_server(flags, {*handle, signals, output, *reporter, manager}, is_terminal);
}

}  // namespace

Outcome<void> add_serve_command(CLI::App& app, CommandResult& result) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* const command =
      app.add_subcommand("serve", "Run a server until SIGINT or SIGTERM, then drain it");
  command->add_flag("--json", flags->json, "One JSON object per line and event on standard output");
  command->add_flag("--check-config", flags->checks_only,
                    "Check settings, certificate and key without binding, and exit with code 0 or 2");
  command->add_option("--stats-interval", flags->stats_interval_seconds, "Seconds between printed statistics")
      ->type_name("SECONDS")
      ->check(decimal(0.001, 86'400));
  if (auto added = add_settings_flags(*command, flags->settings); !added) {
    return added;
  }
  command->footer(
      "A setting comes from its flag, else the TOML file, else the environment variable\n"
      "KNUL_<SETTING> (KNUL_MAX_STREAMS=10), else its default. KNUL_LOG sets the log's levels.\n"
      "A first SIGINT or SIGTERM drains for at most drain-timeout-ms, a second one ends the process.\n"
      "SIGUSR1 prints statistics, SIGHUP reads certificate and key again.\n"
      "Exit codes: 0 drained, 1 failed, 2 wrong usage, 3 the drain deadline cut streams, 4 forced.");
  command->callback([flags, &result] { result = serve(*flags); });
  return {};
}

}  // namespace knul::cli
