#include "cli/settings_flags.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <utility>

#include "cli/admin_address.hpp"
#include "cli/socket_activation.hpp"

namespace knul::cli {
namespace {

std::string short_form(const Setting& setting) {
  static const std::map<std::string, std::string> kShort = {{"cert_path", "--cert"},
                                                            {"key_path", "--key"},
                                                            {"client_ca_path", "--client-ca"},
                                                            {"service_root", "--root"}};
  const auto found = kShort.find(setting.name);
  return found == kShort.end() ? "" : "," + found->second;
}

std::string description(const Setting& setting) {
  return setting.doc + (setting.default_text.empty() ? "" : " [" + setting.default_text + "]");
}

// Adds a flag with an optional value; without a value it means `implied`.
CLI::Option* add_optional_value(CLI::App& command, std::string& text, const Setting& setting,
                                const char* implied) {
  return command
      .add_option(flag_of(setting), text, description(setting) + " Without a value: " + implied + ".")
      ->type_name("[ADDRESS]")
      ->expected(0, 1)
      ->default_str(implied)  // CLI11 uses this text for a flag without a value, not for a missing flag
      ->take_last();
}

CLI::Option* add_setting(CLI::App& command, SettingsFlags& flags, const Setting& setting) {
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
    return add_optional_value(command, flags.scalars[setting.name], setting, kDefaultAdminAddress);
  }
  const char* const type = setting.type == SettingType::kInteger ? "N" : "TEXT";
  // The last of several equal flags counts, so that a flag can be appended to a command line that has it.
  return command.add_option(names, flags.scalars[setting.name], description(setting))
      ->type_name(setting.limits.empty() ? type : setting.limits)
      ->take_last();
}

std::map<std::string, std::string> given_settings(const SettingsFlags& flags) {
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

std::map<std::string, std::string> knul_variables(const std::map<std::string, std::string>& environment) {
  std::map<std::string, std::string> variables;
  std::ranges::copy_if(environment, std::inserter(variables, variables.end()),
                       [](const auto& variable) { return variable.first.starts_with("KNUL_"); });
  return variables;
}

}  // namespace

Outcome<void> add_settings_flags(CLI::App& command, SettingsFlags& flags) {
  auto settings = library_settings();
  if (!settings) {
    return std::move(settings).error();
  }
  flags.settings = *std::move(settings);
  command.add_option("-c,--config", flags.config_path,
                     "TOML file of settings; names as below, with _ instead of -");
  for (const Setting& setting : flags.settings) {
    CLI::Option* const option = add_setting(command, flags, setting);
    option->group("Settings");
    flags.options[setting.name] = option;
  }
  return {};
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

Outcome<MergedConfig> merged_config(const SettingsFlags& flags,
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

}  // namespace knul::cli
