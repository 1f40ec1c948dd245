// Uses only nlohmann-json's parser and string writer and builds no json value: the destructor of an array or
// object allocates, which would end a process without memory.
#include "server/settings_json.hpp"

#include <nlohmann/json.hpp>

#include <bitset>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "server/secrets.hpp"

namespace knul::server {

namespace {

using krepis::ServerOptions;
using Json = nlohmann::json;

base::Error invalid(std::string message) { return {base::ErrorKind::kInvalidArgument, std::move(message)}; }

std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Cut, so that the message stays readable.
std::string cut_json_text(const std::string& text) {
  constexpr std::size_t kShown = 80;
  return json_text(text.size() > kShown ? text.substr(0, kShown) + "..." : text);
}

template <class T>
T& at(ParsedSettings& parsed, T ServerOptions::*place) {
  return parsed.options.*place;
}
template <class T>
T& at(ParsedSettings& parsed, T ParsedSettings::*place) {
  return parsed.*place;
}

std::string expected_of(const Setting& setting) {
  const std::string_view type = type_name(setting);
  if (type == "integer") {
    return "a whole number from " + std::to_string(setting.min) + " to " + std::to_string(setting.max);
  }
  if (type == "boolean") {
    return "true or false";
  }
  return type == "string" ? "a string" : "a string or a list of strings";
}

// Receives the parser's events for one setting after another, and stops the parser at the first invalid one.
class SettingsReader final : public nlohmann::json_sax<Json> {
 public:
  explicit SettingsReader(std::size_t text_size) : text_size_(text_size) {}

  [[nodiscard]] bool has_alpn() const { return has_alpn_; }
  [[nodiscard]] bool has(std::string_view name) const {
    return seen_.test(static_cast<std::size_t>(find_setting(name) - settings().data()));
  }
  ParsedSettings& parsed() { return parsed_; }
  std::optional<base::Error>& error() { return error_; }

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return store(value, value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return refuse(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return refuse(text); }
  bool binary(binary_t&) override { return refuse("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    return store(std::uint64_t{value}, std::to_string(value));
  }

  bool string(string_t& value) override {
    if (list_ != nullptr) {
      list_->push_back(value);
      return true;
    }
    const bool is_stored = store(value, cut_json_text(value));
    if (setting_ != nullptr && is_secret(*setting_)) {
      wipe(value);  // the parser's copy
    }
    return is_stored;
  }

  bool start_object(std::size_t) override {
    if (is_inside_) {
      return refuse("an object");
    }
    is_inside_ = true;
    return true;
  }
  bool end_object() override { return true; }

  bool start_array(std::size_t) override {
    const auto* place = setting_ == nullptr
                            ? nullptr
                            : std::get_if<std::vector<std::string> ServerOptions::*>(&setting_->place);
    if (place == nullptr || list_ != nullptr) {
      return refuse("a list");
    }
    list_ = &at(parsed_, *place);
    list_->clear();
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool key(string_t& name) override {
    setting_ = find_setting(name);
    if (setting_ == nullptr) {
      return fail(cut_json_text(name) + " is not a setting, expected a setting of docs/settings.md");
    }
    const auto index = static_cast<std::size_t>(setting_ - settings().data());
    if (seen_.test(index)) {
      return fail(json_text(name) + " is given twice, expected each setting once");
    }
    seen_.set(index);
    has_alpn_ = has_alpn_ || name == "alpn";
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("not valid JSON at byte " + std::to_string(position) + " of " + std::to_string(text_size_));
  }

 private:
  bool fail(std::string message) {
    error_ = invalid(std::move(message));
    return false;
  }

  bool refuse(const std::string& shown) {
    if (setting_ == nullptr) {
      return fail("the settings are " + shown + ", expected a JSON object");
    }
    const std::string is = list_ != nullptr ? "a list with " + shown : shown;
    return fail(std::string(setting_->name) + " is " + is + ", expected " + expected_of(*setting_));
  }

  // Refuses a value whose type is not the setting's. validate() checks ranges.
  template <class Value>
  bool store(const Value& value, const std::string& shown) {
    if (setting_ == nullptr || list_ != nullptr) {
      return refuse(shown);
    }
    const bool is_stored =
        std::visit([&](auto place) { return assign(at(parsed_, place), value); }, setting_->place);
    return is_stored || refuse(shown);
  }

  template <class T, class Value>
  static bool assign(T& to, const Value& value) {
    if constexpr (std::is_same_v<T, Value>) {
      to = value;
      return true;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>> && std::is_same_v<Value, std::string>) {
      to.assign(1, value);
      return true;
    } else if constexpr (std::is_unsigned_v<T> && !std::is_same_v<T, bool> &&
                         std::is_same_v<Value, std::uint64_t>) {
      to = static_cast<T>(value);
      return value <= std::numeric_limits<T>::max();
    } else {
      return false;
    }
  }

  std::size_t text_size_;
  ParsedSettings parsed_;
  std::optional<base::Error> error_;
  std::bitset<128> seen_;
  bool has_alpn_ = false;
  bool is_inside_ = false;
  const Setting* setting_ = nullptr;          // the setting whose value comes next
  std::vector<std::string>* list_ = nullptr;  // set inside a list: its elements
};

std::string_view default_alpn(std::string_view service) {
  if (service == "perf") {
    return "perf";
  }
  return service == "hq" ? "hq-interop" : "knul";
}

std::string json_of(const std::string& value) { return json_text(value); }
template <class T>
requires std::is_unsigned_v<T> std::string json_of(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else {
    return std::to_string(value);
  }
}
template <class Texts>
std::string json_of_list(const Texts& texts) {
  std::string list = "[";
  for (const auto& text : texts) {
    list += list.size() > 1 ? "," : "";
    list += json_text(std::string(text));
  }
  return list + "]";
}
std::string json_of(const std::vector<std::string>& value) { return json_of_list(value); }

std::string value_of(ParsedSettings& parsed, const Setting& setting) {
  return std::visit([&](auto place) { return json_of(at(parsed, place)); }, setting.place);
}

std::string shown_value(ParsedSettings& parsed, const Setting& setting) {
  if (is_secret(setting) && !parsed.options.key_pem.empty()) {
    return json_text(std::string(kNotShown));
  }
  return value_of(parsed, setting);
}

std::string describe(const Setting& setting, ParsedSettings& defaults) {
  const std::string_view type = type_name(setting);
  std::string entry = "{\"name\":" + json_text(std::string(setting.name)) +
                      ",\"type\":" + json_text(std::string(type)) +
                      ",\"default\":" + value_of(defaults, setting);
  if (!setting.values.empty()) {
    entry += ",\"values\":" + json_of_list(setting.values);
  } else if (type != "boolean") {
    entry += ",\"min\":" + std::to_string(setting.min) + ",\"max\":" + std::to_string(setting.max);
  }
  const bool is_text = type == "string" && setting.values.empty();
  if (is_text || !setting.unit.empty()) {
    entry += ",\"unit\":" + json_text(std::string(is_text ? "bytes" : setting.unit));
  }
  return entry + ",\"doc\":" + json_text(std::string(setting.doc)) + "}";
}

}  // namespace

base::Result<ParsedSettings> parse_settings_json(std::string_view text) {
  if (text.empty() || text.size() > kMaxSettingsBytes) {
    return invalid("the settings are " + std::to_string(text.size()) + " bytes long, expected 1 to " +
                   std::to_string(kMaxSettingsBytes));
  }
  SettingsReader reader(text.size());
  const Wiped wiped(reader.parsed().options);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) {
    return reader.error().value_or(invalid("not valid JSON"));
  }
  ParsedSettings& parsed = reader.parsed();
  if (!reader.has_alpn()) {
    parsed.options.alpn = {std::string(default_alpn(parsed.service))};
  }
  for (const std::string_view name : {"host", "port"}) {
    if (parsed.options.listen_fd != 0 && reader.has(name)) {
      return invalid(std::string(name) + " is given, expected none with listen_fd");
    }
  }
  if (auto status = validate(parsed); !status) {
    return std::move(status).error();
  }
  clamp(parsed.options);
  return std::move(parsed);
}

std::string settings_to_json(ParsedSettings parsed) {
  std::string object;
  for (const Setting& setting : settings()) {
    object += (object.empty() ? "{" : ",") + json_text(std::string(setting.name)) + ":" +
              shown_value(parsed, setting);
  }
  return object + "}";
}

std::string describe_settings_json() {
  ParsedSettings defaults;
  std::string list;
  for (const Setting& setting : settings()) {
    list += (list.empty() ? "[" : ",") + describe(setting, defaults);
  }
  return list + "]";
}

}  // namespace knul::server
