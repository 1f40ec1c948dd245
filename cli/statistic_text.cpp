#include "cli/statistic_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/quantity.hpp"
#include "cli/terminal_text.hpp"

namespace knul::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostDepth = 8;
constexpr std::size_t kMostMembers = 1'000;  // of an object; /stats has about 200
constexpr double kMostNumber = 1e18;
constexpr std::size_t kMostNameBytes = 64;
constexpr std::size_t kMostTextBytes = 1'000;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

double bounded(const ordered_json& value) {
  return value.is_number() ? std::clamp(value.get<double>(), 0.0, kMostNumber) : 0.0;
}

// "12,345,678".
std::string grouped(double number) {
  std::string digits = std::to_string(static_cast<std::uint64_t>(number));
  for (std::size_t place = digits.size(); place > 3; place -= 3) {
    digits.insert(place - 3, ",");
  }
  return digits;
}

std::string calendar_text(double unix_seconds) {
  constexpr double kMostSeconds = 253'402'300'799;  // the end of the year 9999
  const auto seconds = static_cast<std::time_t>(std::min(unix_seconds, kMostSeconds));
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text.data();
}

std::string long_duration(double seconds) {
  return seconds < 60 ? format_duration(seconds) : format_short_duration(seconds);
}

std::string number_text(std::string_view name, double number) {
  if (contains(name, "bytes")) {
    return format_bytes(static_cast<std::uint64_t>(number)) + " (" + grouped(number) + ")";
  }
  if (name.ends_with("_ms")) {
    return long_duration(number / 1e3);
  }
  if (name.ends_with("_us") || contains(name, "_us_")) {
    return long_duration(number / 1e6);
  }
  if (name == "certificate_not_before" || name == "certificate_not_after") {
    return calendar_text(number);
  }
  return grouped(number) + (name.ends_with("_days_left") ? " days" : "");
}

// Stops at the first value beyond kMostDepth and kMostMembers, before anything is stored.
class Bounds final : public nlohmann::json_sax<ordered_json> {
 public:
  // Empty: the text has no such value, or is no JSON.
  [[nodiscard]] const std::string& excess() const { return excess_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t&) override {
    return ++members_.back() <= kMostMembers ||
           refuse("an object has more than " + std::to_string(kMostMembers) + " members");
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool open() {
    members_.push_back(0);
    return members_.size() <= kMostDepth ||
           refuse("values are nested deeper than " + std::to_string(kMostDepth) + " levels");
  }
  bool close() {
    members_.pop_back();
    return true;
  }
  bool refuse(std::string excess) {
    excess_ = std::move(excess);
    return false;
  }

  std::vector<std::size_t> members_;  // one entry per open object or array
  std::string excess_;
};

// certificate_days_left is 0 in the last 24 hours, so statistics of certificates are shown also if they are 0.
bool is_shown(std::string_view name, const ordered_json& value) {
  return !value.is_number() || bounded(value) != 0 || name.starts_with("certificate_");
}

}  // namespace

Outcome<ordered_json> parse_answer(const std::string& text, const std::string& source) {
  Bounds bounds;
  ordered_json::sax_parse(text, &bounds);
  if (!bounds.excess().empty()) {
    return run_failure(source + ": the answer is too large: " + bounds.excess());
  }
  ordered_json parsed = ordered_json::parse(text, nullptr, false);
  if (parsed.is_discarded() || !parsed.is_object()) {
    return run_failure(source +
                       ": the answer is no JSON object, expected the address of an admin listener: \"" +
                       escaped(text, 60) + "\"");
  }
  return parsed;
}

double number_in(const ordered_json& object, std::string_view name) {
  const auto found = object.is_object() ? object.find(std::string(name)) : object.end();
  return found == object.end() ? 0.0 : bounded(*found);
}

std::string text_in(const ordered_json& object, std::string_view name, std::size_t most) {
  const auto found = object.is_object() ? object.find(std::string(name)) : object.end();
  const bool is_text = found != object.end() && found->is_string();
  return is_text ? escaped(found->get_ref<const std::string&>(), most) : std::string();
}

std::string statistic_text(std::string_view name, const ordered_json& value) {
  if (value.is_number()) {
    return number_text(name, bounded(value));
  }
  if (value.is_string()) {
    return escaped(value.get_ref<const std::string&>(), kMostTextBytes);
  }
  return value.is_boolean() ? (value.get<bool>() ? "true" : "false") : value.type_name();
}

std::string statistics_text(const ordered_json& statistics) {
  constexpr std::size_t kMostWidth = 44;
  std::size_t width = 0;
  for (const auto& [name, value] : statistics.items()) {
    width = is_shown(name, value) ? std::min(std::max(width, name.size()), kMostWidth) : width;
  }
  std::string text;
  for (const auto& [name, value] : statistics.items()) {
    if (is_shown(name, value)) {
      std::string shown = escaped(name, kMostNameBytes);
      shown.resize(std::max(width, shown.size()), ' ');
      text += shown + "  " + statistic_text(name, value) + "\n";
    }
  }
  return text;
}

}  // namespace knul::cli
