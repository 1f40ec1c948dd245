// The statistics of a server (docs/statistics.md) as JSON and as text for people. The JSON may come from a
// hostile server: every function accepts any value.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "cli/outcome.hpp"

namespace knul::cli {

// Parses the JSON object of an answer. Error: kFailure with `source` and the reason: the text is not a JSON
// object, one of its objects has more than 1,000 members, or its values are nested more than eight levels deep.
// These limits bound the time, because ordered_json compares a new name with all names of the object.
Outcome<nlohmann::ordered_json> parse_answer(const std::string& text, const std::string& source);

// The number `name` of an object, from 0 to 10^18; 0 if it is missing or not a number.
[[nodiscard]] double number_in(const nlohmann::ordered_json& object, std::string_view name);
// The text `name` of an object, escaped, at most `most` bytes; empty if it is missing or not a text.
[[nodiscard]] std::string text_in(const nlohmann::ordered_json& object, std::string_view name,
                                  std::size_t most);

// A value with the unit that its name says: bytes, durations, days, times of the calendar, counts.
[[nodiscard]] std::string statistic_text(std::string_view name, const nlohmann::ordered_json& value);
// One line per statistic that is not 0 or is about the certificate.
[[nodiscard]] std::string statistics_text(const nlohmann::ordered_json& statistics);

}  // namespace knul::cli
