#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <thread>

#include "cli/commands.hpp"
#include "cli/number.hpp"
#include "cli/output_writer.hpp"
#include "cli/serve_config.hpp"
#include "cli/serve_reporter.hpp"
#include "cli/server_control.hpp"
#include "cli/settings.hpp"
#include "cli/stop_signals.hpp"

namespace knul::cli {
namespace {

using std::chrono::milliseconds;

// The interval of reading statistics during the drain, so that the last statistics are at most this old.
constexpr milliseconds kDrainPoll{10};
// The longest wait for standard output to accept the last lines: after a drain, and after a forced end.
constexpr milliseconds kLastFlush{2'000};
constexpr milliseconds kForcedFlush{100};

// Lifetime: shared with the callback that CLI11 keeps; CLI11 writes into it by reference.
struct ServeFlags {
  std::vector<Setting> settings;
  std::map<std::string, std::string> scalars;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, CLI::Option*> options;
  std::optional<std::string> config_path;
  bool json = false;
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

std::map<std::string, std::string> knul_variables() {
  std::map<std::string, std::string> variables;
  for (const char* const* entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (text.starts_with("KNUL_") && equals != std::string_view::npos) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

// Runs until a signal, then drains. Invariant: a second signal ends the process.
class ServeLoop {
 public:
  ServeLoop(std::uint64_t handle, StopSignals& signals, OutputWriter& output, ServeReporter& reporter)
      : handle_(handle), signals_(signals), output_(output), reporter_(reporter) {}

  // A negative interval prints no statistics.
  void run_until_signal(milliseconds interval) {
    while (signals_.wait(interval) != StopSignals::Wake::kSignal) {
      reporter_.statistics(server_statistics(handle_));
    }
  }

  CommandResult drain(milliseconds deadline) {
    reporter_.draining(static_cast<std::uint64_t>(deadline.count()));
    StopResult result;
    std::string last_statistics = server_statistics(handle_);
    std::thread stopping([&] {
      result = stop_server(handle_, static_cast<std::uint64_t>(deadline.count()));
      signals_.notify();
    });
    for (;;) {
      const StopSignals::Wake wake = signals_.wait(kDrainPoll);
      if (wake == StopSignals::Wake::kSignal) {
        force();
      }
      if (wake == StopSignals::Wake::kNotified) {
        break;
      }
      if (std::string now = server_statistics(handle_); !now.empty()) {
        last_statistics = std::move(now);
      }
    }
    stopping.join();
    if (!result.is_stopped) {
      return run_failure(result.error);
    }
    reporter_.stopped(result.report, last_statistics);
    flush();
    return result.is_clean ? ExitCode::kSuccess : ExitCode::kCut;
  }

 private:
  [[noreturn]] void force() {
    reporter_.forced();
    (void)output_.flush(kForcedFlush);
    // Not std::exit, because workers may still run. Nothing else can end the drain early.
    std::_Exit(static_cast<int>(ExitCode::kForced));
  }

  // Waits at most kLastFlush for standard output to accept the last lines.
  void flush() {
    const auto end = std::chrono::steady_clock::now() + kLastFlush;
    while (!output_.flush(kDrainPoll) && std::chrono::steady_clock::now() < end) {
      if (signals_.wait(milliseconds(0)) == StopSignals::Wake::kSignal) {
        force();
      }
    }
  }

  std::uint64_t handle_;
  StopSignals& signals_;
  OutputWriter& output_;
  ServeReporter& reporter_;
};

CommandResult serve(const ServeFlags& flags) {
  const auto variables = knul_variables();
  const auto config = merge_config(
      flags.settings,
      {.flags = given_settings(flags), .file_path = flags.config_path, .environment = variables});
  if (!config) {
    return config.error();
  }
  for (const std::string& line : unknown_variables(flags.settings, variables)) {
    std::fprintf(stderr, "knul: %s\n", line.c_str());
  }
  // The end of a process that reads the log must not end the server.
  std::signal(SIGPIPE, SIG_IGN);
  StopSignals signals;
  const auto handle = start_server(config->json);
  if (!handle) {
    return with_source(handle.error(), *config);
  }
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  OutputWriter output(STDOUT_FILENO);
  const auto reporter = make_reporter(flags, output, is_terminal);
  const std::string info = server_info(*handle);
  reporter->listening(info);
  const double interval = flags.stats_interval_seconds > 0 ? flags.stats_interval_seconds
                          : is_terminal && !flags.json     ? 1
                                                           : -1e-3;
  ServeLoop loop(*handle, signals, output, *reporter);
  loop.run_until_signal(milliseconds(static_cast<std::int64_t>(interval * 1e3)));
  const auto settings = nlohmann::json::parse(info).at("settings");
  return loop.drain(milliseconds(settings.at("drain_timeout_ms").get<std::int64_t>()));
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
      "KNUL_<SETTING> (KNUL_MAX_STREAMS=10), else its default. KNUL_LOG sets the log level.\n"
      "A first SIGINT or SIGTERM drains for at most drain-timeout-ms, a second one ends the process.\n"
      "Exit codes: 0 drained, 1 failed, 2 wrong usage, 3 the drain deadline cut streams, 4 forced.");
  command->callback([flags, &result] { result = serve(*flags); });
  return {};
}

}  // namespace knul::cli
