// Parses and checks numbers of the command line. CLI11's own conversions accept "0x10", "010" and "nan".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class Validator;
}

namespace knul::cli {

// Accepts only decimal digits, at most 2^64-1.
[[nodiscard]] std::optional<std::uint64_t> parse_whole_number(std::string_view text);
// Accepts digits with at most one decimal point: no sign, no exponent, no "inf".
[[nodiscard]] std::optional<double> parse_decimal(std::string_view text);

// For CLI::Option::transform, because CLI11 itself reads "010" as octal; the others for CLI::Option::check.
// The errors name the text and the range.
[[nodiscard]] CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);
[[nodiscard]] CLI::Validator decimal(double least, double most);
// Accepts what parse_bytes accepts.
[[nodiscard]] CLI::Validator bytes(std::uint64_t least, std::uint64_t most);
[[nodiscard]] CLI::Validator not_empty();

}  // namespace knul::cli
