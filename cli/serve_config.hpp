// The configuration of `knul serve` from its three sources. Flags win over the file, the file wins over
// the environment, the environment over the library's defaults.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/outcome.hpp"
#include "cli/settings.hpp"

namespace knul::cli {

struct ConfigSources {
  std::map<std::string, std::string> flags;                           // setting name -> text
  std::string file_path;                                              // TOML; empty: no file
  std::function<const char*(const char* variable)> environment = {};  // null: nothing set
};

// The JSON object for krepis_quic_start_json: only what some source sets.
Outcome<std::string> merge_config(const std::vector<Setting>& settings, const ConfigSources& sources);

}  // namespace knul::cli
