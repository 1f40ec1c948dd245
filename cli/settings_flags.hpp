// The flags, file and environment variables that set a server, for the commands that have them (serve,
// check).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/outcome.hpp"
#include "cli/serve_config.hpp"
#include "cli/settings.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace knul::cli {

// Lifetime: outlives the parse; CLI11 writes into it by reference.
struct SettingsFlags {
  std::vector<Setting> settings;
  std::map<std::string, std::string> scalars;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, CLI::Option*> options;
  std::optional<std::string> config_path;
};

// Adds --config and a flag for each setting of the library.
Outcome<void> add_settings_flags(CLI::App& command, SettingsFlags& flags);

[[nodiscard]] std::map<std::string, std::string> environment_of_process();

// Call after parsing. Reports each unknown KNUL_ variable on standard error.
Outcome<MergedConfig> merged_config(const SettingsFlags& flags,
                                    const std::map<std::string, std::string>& environment);

}  // namespace knul::cli
