#include "cli/serve_config.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>
#include <utility>

namespace knul::cli {
namespace {

using nlohmann::json;

// Collects the settings, from the source of highest priority to the lowest.
class Merger {
 public:
  [[nodiscard]] bool has(const Setting& setting) const { return json_.contains(setting.name); }

  void add(const Setting& setting, json value, std::string source) {
    json_[setting.name] = std::move(value);
    config_.sources[setting.name] = std::move(source);
  }

  Outcome<void> add_text(const Setting& setting, const std::string& text, const std::string& source) {
    auto value = json_value(setting, text);
    if (!value) {
      return usage_failure(source + ": " + value.error().message);
    }
    add(setting, json::parse(*value), source);
    return {};
  }

  MergedConfig take() {
    config_.json = json_.dump();
    return std::move(config_);
  }

 private:
  json json_ = json::object();
  MergedConfig config_;
};

Outcome<void> add_environment(Merger& merger, const std::vector<Setting>& settings,
                              const std::map<std::string, std::string>& environment) {
  for (const Setting& setting : settings) {
    const auto variable = environment.find(environment_variable_of(setting));
    if (variable == environment.end() || variable->second.empty() || merger.has(setting)) {
      continue;
    }
    if (auto added = merger.add_text(setting, variable->second, variable->first); !added) {
      const bool is_link = variable->second.starts_with("tcp://") || variable->second.starts_with("udp://");
      return is_link
                 ? usage_failure(
                       added.error().message +
                       "; Kubernetes sets this variable for a Service of this name, see enableServiceLinks")
                 : std::move(added).error();
    }
  }
  return {};
}

Outcome<void> add_inherited_socket(Merger& merger, const std::vector<Setting>& settings, int descriptor) {
  const auto setting = std::ranges::find(settings, "listen_fd", &Setting::name);
  if (setting == settings.end() || merger.has(*setting)) {
    return {};
  }
  return merger.add_text(*setting, std::to_string(descriptor), "LISTEN_FDS");
}

std::string place(const std::string& path, const toml::source_region& region) {
  return path + ":" + std::to_string(region.begin.line);
}

const char* expectation(SettingType type) {
  switch (type) {
    case SettingType::kInteger:
      return "expected a whole number";
    case SettingType::kBoolean:
      return "expected true or false";
    case SettingType::kList:
      return "expected a string or an array of strings";
    case SettingType::kText:
      break;
  }
  return "expected a string";
}

// Null: the node does not have the type of the setting.
json toml_value(const Setting& setting, const toml::node& node) {
  switch (setting.type) {
    case SettingType::kInteger:
      return node.is_integer() ? json(node.value<std::int64_t>().value()) : json();
    case SettingType::kBoolean:
      return node.is_boolean() ? json(node.value<bool>().value()) : json();
    case SettingType::kText:
      return node.is_string() ? json(node.value<std::string>().value()) : json();
    case SettingType::kList:
      break;
  }
  if (node.is_string()) {
    return json::array({node.value<std::string>().value()});
  }
  const toml::array* const items = node.as_array();
  if (items == nullptr) {
    return {};
  }
  json list = json::array();
  for (const toml::node& item : *items) {
    if (!item.is_string()) {
      return {};
    }
    list.push_back(item.value<std::string>().value());
  }
  return list;
}

Outcome<std::string> read_config(const std::string& path) {
  std::error_code error;
  if (path.empty()) {
    return usage_failure("--config: the path is empty, expected a TOML file");
  }
  if (std::filesystem::is_directory(path, error)) {
    return usage_failure("--config: " + path + ": is a folder, expected a TOML file");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (!file || errno != 0) {
    return usage_failure("--config: " + path + ": " + std::strerror(errno != 0 ? errno : EIO));
  }
  return text;
}

Outcome<void> add_node(Merger& merger, const std::vector<Setting>& settings, const std::string& name,
                       const toml::node& node, const std::string& source) {
  const auto setting = std::find_if(settings.begin(), settings.end(),
                                    [&](const Setting& known) { return known.name == name; });
  if (setting == settings.end()) {
    return usage_failure(source + ": unknown setting \"" + name +
                         "\"; `knul serve --help` lists the settings (here with _ instead of -)");
  }
  if (merger.has(*setting)) {
    return {};  // a flag overrides it
  }
  json value = toml_value(*setting, node);
  if (value.is_null()) {
    return usage_failure(source + ": " + name + ": " + expectation(setting->type));
  }
  merger.add(*setting, std::move(value), source);
  return {};
}

Outcome<void> add_file(Merger& merger, const std::vector<Setting>& settings, const std::string& path) {
  const auto text = read_config(path);
  if (!text) {
    return text.error();
  }
  try {
    const toml::table table = toml::parse(*text);
    for (const auto& [key, node] : table) {
      auto added = add_node(merger, settings, std::string(key.str()), node, place(path, node.source()));
      if (!added) {
        return added;
      }
    }
  } catch (const toml::parse_error& error) {
    return usage_failure(place(path, error.source()) + ": " + std::string(error.description()));
  }
  return {};
}

Outcome<void> add_flags(Merger& merger, const std::vector<Setting>& settings, const ConfigSources& sources) {
  for (const Setting& setting : settings) {
    const auto flag = sources.flags.find(setting.name);
    if (flag == sources.flags.end()) {
      continue;
    }
    if (auto added = merger.add_text(setting, flag->second, flag_of(setting)); !added) {
      return added;
    }
  }
  return {};
}

// True for the variables of a Kubernetes Service: KNUL_SERVICE_HOST, KNUL_SERVICE_PORT,
// KNUL_SERVICE_PORT_QUIC, KNUL_PORT_4433_UDP, KNUL_PORT_4433_UDP_ADDR and so on.
bool is_service_link(const std::string& variable) {
  constexpr std::string_view kPort = "KNUL_PORT_";
  return variable == "KNUL_SERVICE_HOST" || variable.starts_with("KNUL_SERVICE_PORT") ||
         (variable.starts_with(kPort) && variable.size() > kPort.size() &&
          std::isdigit(static_cast<unsigned char>(variable[kPort.size()])) != 0);
}

// The number of insertions, deletions and replacements that make one text the other.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

// The known name that `variable` was probably meant to be: a name with one edit, a longer name with the same
// beginning (KNUL_CERT), or a name with two edits. Empty: no name is similar.
std::string nearest(const std::string& variable, const std::vector<std::string>& known) {
  constexpr std::size_t kMostEdits = 2;
  const auto distance = [&](const std::string& name) { return edit_distance(variable, name); };
  const auto best = std::ranges::min_element(known, {}, distance);
  if (distance(*best) == 1) {
    return *best;
  }
  const auto longer =
      std::ranges::find_if(known, [&](const auto& name) { return name.starts_with(variable + "_"); });
  if (longer != known.end()) {
    return *longer;
  }
  return distance(*best) <= kMostEdits ? *best : std::string();
}

}  // namespace

Outcome<MergedConfig> merge_config(const std::vector<Setting>& settings, const ConfigSources& sources) {
  Merger merger;
  auto merged = add_flags(merger, settings, sources);
  if (merged && sources.file_path) {
    merged = add_file(merger, settings, *sources.file_path);
  }
  if (merged) {
    merged = add_environment(merger, settings, sources.environment);
  }
  if (merged && sources.inherited_socket) {
    merged = add_inherited_socket(merger, settings, *sources.inherited_socket);
  }
  if (!merged) {
    return std::move(merged).error();
  }
  return merger.take();
}

Failure with_source(Failure failure, const MergedConfig& config) {
  if (const auto source = config.sources.find(failure.setting); source != config.sources.end()) {
    failure.message.insert(0, source->second + ": ");
  }
  return failure;
}

std::vector<std::string> unknown_variables(const std::vector<Setting>& settings,
                                           const std::map<std::string, std::string>& environment) {
  std::vector<std::string> known = {"KNUL_LOG", "KNUL_LOG_FORMAT"};
  std::ranges::transform(settings, std::back_inserter(known), environment_variable_of);
  std::vector<std::string> lines;
  for (const auto& [variable, text] : environment) {
    if (std::ranges::find(known, variable) != known.end() || is_service_link(variable)) {
      continue;
    }
    const std::string meant = nearest(variable, known);
    lines.push_back(variable + " is not a setting and has no effect" +
                    (meant.empty() ? "" : "; did you mean " + meant + "?"));
  }
  return lines;
}

}  // namespace knul::cli
