#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/output_writer.hpp"
#include "cli/serve_config.hpp"
#include "cli/serve_loop.hpp"
#include "cli/serve_reporter.hpp"
#include "cli/server_control.hpp"
#include "cli/service_manager.hpp"
#include "cli/settings.hpp"
#include "cli/socket_activation.hpp"
#include "cli/stop_signals.hpp"

namespace knul::cli {
namespace {

using std::chrono::milliseconds;

// The longest wait for standard output to accept the event of a failed start.
constexpr milliseconds kFailureFlush{100};

// Lifetime: shared with the callback that CLI11 keeps; CLI11 writes into it by reference.
struct ServeFlags {
  std::vector<Setting> settings;
  std::map<std::string, std::string> scalars;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, CLI::Option*> options;
  std::optional<std::string> config_path;
  bool json = false;
  bool checks_only = false;
  double stats_interval_seconds = 0;
};

std::string short_form(const Setting& setting) {
  static const std::map<std::string, std::string> kShort = {
      {"cert_path", "--cert"}, {"key_path", "--key"}, {"service_root", "--root"}};
  const auto found = kShort.find(setting.name);
  return found == kShort.end() ? "" : "," + found->second;
}

std::string description(const Setting& setting) {
  return setting.doc + (setting.default_text.empty() ? "" : " [" + setting.default_text + "]");
}

// The value of a flag may be absent; it is `implied` then.
CLI::Option* add_optional_value(CLI::App& command, std::string& text, const Setting& setting,
                                const char* implied) {
  return command
      .add_option(flag_of(setting), text, description(setting) + " Without a value: " + implied + ".")
      ->type_name("[ADDRESS]")
      ->expected(0, 1)
      ->default_str(implied)  // CLI11 takes this text for an absent value, and not for an absent flag
      ->take_last();
}

CLI::Option* add_setting(CLI::App& command, ServeFlags& flags, const Setting& setting) {
  const std::string names = flag_of(setting) + short_form(setting);
  if (setting.type == SettingType::kBoolean) {
    const std::string negated = ",!--no-" + flag_of(setting).substr(2);
    return command.add_flag(names + negated, flags.scalars[setting.name], description(setting));
  }
  if (setting.type == SettingType::kList) {
    return command.add_option(names, flags.lists[setting.name], description(setting))
        ->allow_extra_args(false)
        ->type_name("NAME");
  }
  if (setting.name == "admin") {
    return add_optional_value(command, flags.scalars[setting.name], setting, "127.0.0.1:9464");
  }
  const char* const type = setting.type == SettingType::kInteger ? "N" : "TEXT";
  // The last of several equal flags counts, so that a flag can be appended to a command line that has it.
  return command.add_option(names, flags.scalars[setting.name], description(setting))
      ->type_name(setting.limits.empty() ? type : setting.limits)
      ->take_last();
}

std::map<std::string, std::string> given_settings(const ServeFlags& flags) {
  std::map<std::string, std::string> given;
  for (const auto& [name, option] : flags.options) {
    if (option->count() == 0) {
      continue;
    }
    const auto list = flags.lists.find(name);
    given[name] = list == flags.lists.end() ? flags.scalars.at(name) : CLI::detail::join(list->second, ",");
  }
  return given;
}

std::unique_ptr<ServeReporter> make_reporter(const ServeFlags& flags, OutputWriter& output,
                                             bool is_terminal) {
  return flags.json ? json_reporter(output) : text_reporter(output, LiveLine{is_terminal});
}

std::map<std::string, std::string> environment_of_process() {
  std::map<std::string, std::string> variables;
  for (const char* const* entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (const std::size_t equals = text.find('='); equals != std::string_view::npos) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

std::map<std::string, std::string> knul_variables(const std::map<std::string, std::string>& environment) {
  std::map<std::string, std::string> variables;
  std::ranges::copy_if(environment, std::inserter(variables, variables.end()),
                       [](const auto& variable) { return variable.first.starts_with("KNUL_"); });
  return variables;
}

Outcome<MergedConfig> merged_config(const ServeFlags& flags,
                                    const std::map<std::string, std::string>& environment) {
  const auto inherited = inherited_socket(environment);
  if (!inherited) {
    return inherited.error();
  }
  const auto variables = knul_variables(environment);
  for (const std::string& line : unknown_variables(flags.settings, variables)) {
    std::fprintf(stderr, "knul: %s\n", line.c_str());
  }
  return merge_config(flags.settings, {.flags = given_settings(flags),
                                       .file_path = flags.config_path,
                                       .inherited_socket = *inherited,
                                       .environment = variables});
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
  const auto config = merged_config(flags, environment);
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
  auto settings = library_settings();
  if (!settings) {
    return std::move(settings).error();
  }
  auto flags = std::make_shared<ServeFlags>();
  flags->settings = *std::move(settings);
  CLI::App* const command =
      app.add_subcommand("serve", "Run a server until SIGINT or SIGTERM, then drain it");
  command->add_option("-c,--config", flags->config_path,
                      "TOML file of settings; names as below, with _ instead of -");
  command->add_flag("--json", flags->json, "One JSON object per line and event on standard output");
  command->add_flag("--check-config", flags->checks_only,
                    "Check settings, certificate and key without binding, and exit with code 0 or 2");
  command->add_option("--stats-interval", flags->stats_interval_seconds, "Seconds between printed statistics")
      ->type_name("SECONDS")
      ->check(decimal(0.001, 86'400));
  for (const Setting& setting : flags->settings) {
    CLI::Option* const option = add_setting(*command, *flags, setting);
    option->group("Settings");
    flags->options[setting.name] = option;
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
