#include "cli/number.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>

#include "cli/quantity.hpp"

namespace knul::cli {
namespace {

bool is_digit(char character) { return character >= '0' && character <= '9'; }

template <class T>
std::optional<T> parse_all(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string refused(const std::string& text, const std::string& expected) {
  return "\"" + text + "\" is not " + expected;
}

std::string shown(double value) { return CLI::detail::to_string(value); }

}  // namespace

std::optional<std::uint64_t> parse_whole_number(std::string_view text) {
  return parse_all<std::uint64_t>(text);  // accepts no sign and no space
}

std::optional<double> parse_decimal(std::string_view text) {
  const auto is_allowed = [](char character) { return is_digit(character) || character == '.'; };
  return std::ranges::all_of(text, is_allowed) ? parse_all<double>(text) : std::nullopt;
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  const std::string expected = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  return {[=](std::string& text) {
            const auto value = parse_whole_number(text);
            if (!value || *value < least || *value > most) {
              return refused(text, expected);
            }
            text = std::to_string(*value);  // CLI11 reads "010" as octal
            return std::string();
          },
          std::to_string(least) + ".." + std::to_string(most)};
}

CLI::Validator decimal(double least, double most) {
  const std::string expected = "a number from " + shown(least) + " to " + shown(most);
  return {[=](std::string& text) {
            const auto value = parse_decimal(text);
            return value && *value >= least && *value <= most ? std::string() : refused(text, expected);
          },
          shown(least) + ".." + shown(most)};
}

CLI::Validator bytes(std::uint64_t least, std::uint64_t most) {
  const std::string expected = "a number of bytes from " + std::to_string(least) + " to " +
                               std::to_string(most) + ", such as 1500, 64K or 10G";
  return {[=](std::string& text) {
            const auto value = parse_bytes(text);
            return value && *value >= least && *value <= most ? std::string() : refused(text, expected);
          },
          ""};
}

CLI::Validator not_empty() {
  return {[](std::string& text) { return text.empty() ? std::string("is empty") : std::string(); }, ""};
}

}  // namespace knul::cli
