#include "server/settings_json.hpp"

#include <nlohmann/json.hpp>

#include <limits>
#include <set>
#include <type_traits>
#include <utility>

namespace knul::server {

namespace {

using krepis::ServerOptions;
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

base::Error invalid(std::string message) { return {base::ErrorKind::kInvalidArgument, std::move(message)}; }

std::string dumped(const Json& value) {
  constexpr std::size_t kShown = 80;
  std::string text = value.dump(-1, ' ', true);  // ASCII, so that it can be cut anywhere
  if (text.size() > kShown) {
    text.replace(kShown, std::string::npos, "...");
  }
  return text;
}

base::Error wrong_type(const Setting& setting, const Json& value, std::string_view expected) {
  return invalid(std::string(setting.name) + " is " + dumped(value) + ", expected " + std::string(expected));
}

base::Status read(const Setting& setting, const Json& value, std::string& place) {
  if (!value.is_string()) {
    return wrong_type(setting, value, "a string");
  }
  place = value.get<std::string>();
  return {};
}

base::Status read(const Setting& setting, const Json& value, bool& place) {
  if (!value.is_boolean()) {
    return wrong_type(setting, value, "true or false");
  }
  place = value.get<bool>();
  return {};
}

base::Status read(const Setting& setting, const Json& value, std::vector<std::string>& place) {
  const auto is_string = [](const Json& name) { return name.is_string(); };
  if (value.is_string()) {
    place = {value.get<std::string>()};
  } else if (value.is_array() && std::ranges::all_of(value, is_string)) {
    place = value.get<std::vector<std::string>>();
  } else {
    return wrong_type(setting, value, "a string or a list of strings");
  }
  return {};
}

template <class T>
requires std::is_unsigned_v<T> base::Status read(const Setting& setting, const Json& value, T& place) {
  const std::string expected =
      "a whole number from " + std::to_string(setting.min) + " to " + std::to_string(setting.max);
  if (!value.is_number_unsigned()) {
    return wrong_type(setting, value, expected);
  }
  const auto number = value.get<std::uint64_t>();
  if (number > std::numeric_limits<T>::max()) {  // the rest of the range is checked by validate
    return wrong_type(setting, value, expected);
  }
  place = static_cast<T>(number);
  return {};
}

template <class T>
T& at(ParsedSettings& parsed, T ServerOptions::*place) {
  return parsed.options.*place;
}
template <class T>
T& at(ParsedSettings& parsed, T ParsedSettings::*place) {
  return parsed.*place;
}
template <class T>
const T& at(const ParsedSettings& parsed, T ServerOptions::*place) {
  return parsed.options.*place;
}
template <class T>
const T& at(const ParsedSettings& parsed, T ParsedSettings::*place) {
  return parsed.*place;
}

// Thrown out of the parser, which has no limit of its own: writing or comparing deep values recurses.
struct TooDeep {};
constexpr int kMaxDepth = 4;

// The parser itself would let the last of two equal keys win.
base::Result<Json> parse_object(std::string_view text) {
  std::set<std::string> seen;
  std::string repeated;
  const auto notice = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) {
      throw TooDeep{};
    }
    if (depth == 1 && event == Json::parse_event_t::key && !seen.insert(value.get<std::string>()).second) {
      repeated = dumped(value);
    }
    return true;
  };
  Json object;
  try {
    object = Json::parse(text.begin(), text.end(), notice);
  } catch (const Json::parse_error& failure) {
    return invalid("not valid JSON at byte " + std::to_string(failure.byte) + " of " +
                   std::to_string(text.size()));
  } catch (const Json::exception&) {
    return invalid("not valid JSON: a number is too large");
  } catch (const TooDeep&) {
    return invalid("the settings are nested deeper than " + std::to_string(kMaxDepth) + " levels");
  }
  if (!object.is_object()) {
    return invalid("the settings are " + dumped(object) + ", expected a JSON object");
  }
  if (!repeated.empty()) {
    return invalid(repeated + " is given twice, expected each setting once");
  }
  return object;
}

std::string_view default_alpn(std::string_view service) {
  if (service == "perf") {
    return "perf";
  }
  return service == "hq" ? "hq-interop" : "knul";
}

bool must_be_given(const Setting& setting) {
  return setting.name == "cert_path" || setting.name == "key_path";
}

OrderedJson value_of(const ParsedSettings& parsed, const Setting& setting) {
  return std::visit([&](auto place) { return OrderedJson(at(parsed, place)); }, setting.place);
}

OrderedJson describe(const Setting& setting) {
  OrderedJson entry{{"name", setting.name}, {"type", type_name(setting)}};
  entry["default"] = must_be_given(setting) ? OrderedJson(nullptr) : value_of(ParsedSettings{}, setting);
  if (!setting.values.empty()) {
    entry["values"] = setting.values;
  } else if (type_name(setting) != "boolean") {
    entry["min"] = setting.min;
    entry["max"] = setting.max;
  }
  const bool is_text = type_name(setting) == "string" && setting.values.empty();
  if (is_text || !setting.unit.empty()) {
    entry["unit"] = is_text ? "bytes" : setting.unit;
  }
  entry["doc"] = setting.doc;
  return entry;
}

}  // namespace

base::Result<ParsedSettings> parse_settings_json(std::string_view text) {
  if (text.empty() || text.size() > kMaxSettingsBytes) {
    return invalid("the settings are " + std::to_string(text.size()) + " bytes long, expected 1 to " +
                   std::to_string(kMaxSettingsBytes));
  }
  auto object = parse_object(text);
  if (!object) {
    return std::move(object).error();
  }
  ParsedSettings parsed;
  for (const auto& [key, value] : object->items()) {
    const Setting* setting = find_setting(key);
    if (setting == nullptr) {
      return invalid(dumped(key) + " is not a setting, expected one of docs/settings.md");
    }
    auto status =
        std::visit([&](auto place) { return read(*setting, value, at(parsed, place)); }, setting->place);
    if (!status) {
      return std::move(status).error();
    }
  }
  if (!object->contains("alpn")) {
    parsed.options.alpn = {std::string(default_alpn(parsed.service))};
  }
  if (auto status = validate(parsed); !status) {
    return std::move(status).error();
  }
  clamp(parsed.options);
  return parsed;
}

std::string settings_to_json(const ParsedSettings& parsed) {
  OrderedJson object = OrderedJson::object();
  for (const Setting& setting : settings()) {
    object[std::string(setting.name)] = value_of(parsed, setting);
  }
  return object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string describe_settings_json() {
  OrderedJson list = OrderedJson::array();
  for (const Setting& setting : settings()) {
    list.push_back(describe(setting));
  }
  return list.dump();
}

}  // namespace knul::server
