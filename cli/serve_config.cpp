#include "cli/serve_config.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace knul::cli {
namespace {

using nlohmann::json;

Outcome<void> add_text(json& config, const Setting& setting, const std::string& text,
                       const std::string& source) {
  auto value = json_value(setting, text);
  if (!value) {
    return usage_failure(source + ": " + value.error().message);
  }
  config[setting.name] = json::parse(*value);
  return {};
}

Outcome<void> add_environment(json& config, const std::vector<Setting>& settings,
                              const ConfigSources& sources) {
  for (const Setting& setting : settings) {
    const std::string variable = environment_variable_of(setting);
    const char* const text = sources.environment ? sources.environment(variable.c_str()) : nullptr;
    if (text == nullptr || *text == '\0') {
      continue;
    }
    if (auto added = add_text(config, setting, text, variable); !added) {
      return added;
    }
  }
  return {};
}

std::string place(const std::string& path, const toml::source_region& region) {
  return path + ":" + std::to_string(region.begin.line);
}

const char* expectation(SettingType type) {
  switch (type) {
    case SettingType::kInteger:
      return "a whole number is expected";
    case SettingType::kBoolean:
      return "true or false is expected";
    case SettingType::kList:
      return "a string or an array of strings is expected";
    case SettingType::kText:
      break;
  }
  return "a string is expected";
}

// Null for a node of another type than the setting's.
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

Outcome<void> add_file(json& config, const std::vector<Setting>& settings, const std::string& path) {
  try {
    const toml::table table = toml::parse_file(path);
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const auto setting = std::find_if(settings.begin(), settings.end(),
                                        [&](const Setting& known) { return known.name == name; });
      if (setting == settings.end()) {
        return usage_failure(place(path, node.source()) + ": unknown setting \"" + name +
                             "\"; `knul serve --help` lists them, here with _ for -");
      }
      json value = toml_value(*setting, node);
      if (value.is_null()) {
        return usage_failure(place(path, node.source()) + ": " + name + ": " + expectation(setting->type));
      }
      config[name] = std::move(value);
    }
  } catch (const toml::parse_error& error) {
    return usage_failure(place(path, error.source()) + ": " + std::string(error.description()));
  }
  return {};
}

Outcome<void> add_flags(json& config, const std::vector<Setting>& settings, const ConfigSources& sources) {
  for (const Setting& setting : settings) {
    const auto flag = sources.flags.find(setting.name);
    if (flag == sources.flags.end()) {
      continue;
    }
    if (auto added = add_text(config, setting, flag->second, flag_of(setting)); !added) {
      return added;
    }
  }
  return {};
}

}  // namespace

Outcome<std::string> merge_config(const std::vector<Setting>& settings, const ConfigSources& sources) {
  json config = json::object();
  // From the weakest source to the strongest: each replaces what the ones before it set.
  auto merged = add_environment(config, settings, sources);
  if (merged && !sources.file_path.empty()) {
    merged = add_file(config, settings, sources.file_path);
  }
  if (merged) {
    merged = add_flags(config, settings, sources);
  }
  if (!merged) {
    return std::move(merged).error();
  }
  return config.dump();
}

}  // namespace knul::cli
