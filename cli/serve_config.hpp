// The configuration of `knul serve` from its three sources. Flags override the file, the file overrides the
// environment, and the environment overrides the library's defaults.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/outcome.hpp"
#include "cli/settings.hpp"

namespace knul::cli {

struct ConfigSources {
  std::map<std::string, std::string> flags;        // setting name -> text
  std::optional<std::string> file_path;            // TOML
  std::optional<int> inherited_socket;             // from the service manager; after all others
  std::map<std::string, std::string> environment;  // the variables that begin with KNUL_
};

struct MergedConfig {
  std::string json;  // for krepis_quic_start_json; only the settings that a source has
  // Where the value of a setting comes from: "--port", "knul.toml:3" or "KNUL_PORT".
  std::map<std::string, std::string> sources;
};

// Checks only the value that takes effect: a variable that the file or a flag overrides may have any value.
Outcome<MergedConfig> merge_config(const std::vector<Setting>& settings, const ConfigSources& sources);

// Adds the source of failure.setting in front of the message.
[[nodiscard]] Failure with_source(Failure failure, const MergedConfig& config);

// A line for each variable that begins with KNUL_ and is not a setting. Ignores the variables that Kubernetes
// sets for a Service with the name "knul".
[[nodiscard]] std::vector<std::string> unknown_variables(
    const std::vector<Setting>& settings, const std::map<std::string, std::string>& environment);

}  // namespace knul::cli
