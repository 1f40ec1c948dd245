#include "cli/settings.hpp"

#include <krepis/krepis.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "cli/number.hpp"

namespace knul::cli {
namespace {

using nlohmann::json;

std::string shown(const json& value) {
  if (value.is_null()) {
    return {};
  }
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (!value.is_array()) {
    return value.dump();
  }
  std::string joined;
  for (const json& item : value) {
    joined += (joined.empty() ? "" : ",") + shown(item);
  }
  return joined;
}

std::string limits_of(const json& described) {
  if (described.contains("values")) {
    std::string joined;
    for (const json& value : described["values"]) {
      joined += (joined.empty() ? "" : "|") + shown(value);
    }
    return joined;
  }
  // The limits of other types are lengths.
  const bool is_integer = described.at("type") == "integer";
  if (is_integer && described.contains("min") && described.contains("max")) {
    return shown(described["min"]) + ".." + shown(described["max"]);
  }
  return {};
}

Setting setting_of(const json& described) {
  const auto type = described.at("type").get<std::string>();
  return {.name = described.at("name").get<std::string>(),
          .type = type == "integer"   ? SettingType::kInteger
                  : type == "boolean" ? SettingType::kBoolean
                  : type == "string"  ? SettingType::kText
                                      : SettingType::kList,
          .doc = described.at("doc").get<std::string>(),
          .default_text = shown(described.at("default")),
          .limits = limits_of(described)};
}

json split_list(std::string_view text) {
  json items = json::array();
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    items.push_back(std::string(text.substr(0, comma)));
    if (comma == std::string_view::npos) {
      break;
    }
    text.remove_prefix(comma + 1);
    if (text.empty()) {
      items.push_back("");  // the library refuses the empty name after a last comma
    }
  }
  return items;
}

Outcome<std::string> integer_value(const Setting& setting, std::string_view text) {
  const auto value = parse_whole_number(text);
  if (!value) {
    const std::size_t dots = setting.limits.find("..");
    const std::string range = dots == std::string::npos ? ""
                                                        : " from " + setting.limits.substr(0, dots) + " to " +
                                                              setting.limits.substr(dots + 2);
    return usage_failure("\"" + std::string(text) + "\" is not a whole number" + range);
  }
  return std::to_string(*value);
}

Outcome<std::string> boolean_value(std::string_view text) {
  if (text == "true" || text == "1" || text == "yes" || text == "on") {
    return std::string("true");
  }
  if (text == "false" || text == "0" || text == "no" || text == "off") {
    return std::string("false");
  }
  return usage_failure("\"" + std::string(text) + "\" is neither true nor false");
}

}  // namespace

Outcome<std::vector<Setting>> library_settings() {
  const FfiResponse response = krepis_settings();
  if (response.error_code != KREPIS_SUCCESS) {
    return run_failure(std::string("cannot read the library's settings: ") + krepis_last_error());
  }
  const auto* const text = response.result_buffer.data;
  const json described = json::parse(text, text + response.result_buffer.len);
  std::vector<Setting> settings;
  std::transform(described.begin(), described.end(), std::back_inserter(settings), setting_of);
  return settings;
}

std::string setting_named_in(std::string_view message) {
  return std::string(message.substr(0, message.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_")));
}

std::string flag_of(const Setting& setting) {
  std::string flag = "--" + setting.name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string environment_variable_of(const Setting& setting) {
  std::string variable = "KNUL_" + setting.name;
  std::transform(variable.begin(), variable.end(), variable.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return variable;
}

Outcome<std::string> json_value(const Setting& setting, std::string_view text) {
  switch (setting.type) {
    case SettingType::kInteger:
      return integer_value(setting, text);
    case SettingType::kBoolean:
      return boolean_value(text);
    case SettingType::kList:
      return split_list(text).dump();
    case SettingType::kText:
      break;
  }
  // A path may contain bytes that are not UTF-8. JSON cannot encode them, and the library's error is unclear.
  try {
    return json(std::string(text)).dump();
  } catch (const json::exception&) {
    return usage_failure("the text is not UTF-8");
  }
}

}  // namespace knul::cli
