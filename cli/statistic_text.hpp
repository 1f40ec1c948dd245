// The statistics of a server (docs/statistics.md) as JSON and as text for people. The JSON may come from a
// hostile server: every function accepts any value.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "cli/outcome.hpp"

namespace knul::cli {

// The JSON object of an answer, or its array of objects; values nested deeper than eight levels are dropped,
// so that no text costs more than some times its size. Error: kFailure, with `source` and the reason.
Outcome<nlohmann::ordered_json> parse_answer(const std::string& text, const std::string& source);

// The number `name` of an object, from 0 to 10^18; 0: there is none.
[[nodiscard]] double number_in(const nlohmann::ordered_json& object, std::string_view name);
// The text `name` of an object, escaped, at most `most` bytes; empty: there is none.
[[nodiscard]] std::string text_in(const nlohmann::ordered_json& object, std::string_view name,
                                  std::size_t most);

// A value with the unit that its name says: bytes, durations, days, times of the calendar, counts.
[[nodiscard]] std::string statistic_text(std::string_view name, const nlohmann::ordered_json& value);
// One line per statistic that is not 0.
[[nodiscard]] std::string statistics_text(const nlohmann::ordered_json& statistics);

}  // namespace knul::cli
