// Parses and formats quantities for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace knul::cli {

// "1500", "64K", "1.5M", "10G", "1T", with an optional "iB" or "B": powers of 1,024. nullopt: another text, a
// fraction of a byte, a sign, or more than 2^62.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);

// "512 B", "1.5 KiB", "12.0 GiB".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// "950", "12.3k", "4.56M": three significant digits.
[[nodiscard]] std::string format_count(double count);

// "0 bit/s", "62.3 kbit/s", "1.20 Gbit/s".
[[nodiscard]] std::string format_bit_rate(double bits_per_second);

// "850 ns", "12.3 us", "4.56 ms", "1.23 s".
[[nodiscard]] std::string format_duration(double seconds);

// In at most five characters, for tables: "0", "850us", "1.2ms", "12.3s", "5m12s", "59m", "3h12m", "23h",
// "9d23h", "120d".
[[nodiscard]] std::string format_short_duration(double seconds);

}  // namespace knul::cli
