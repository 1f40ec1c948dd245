#include "cli/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace knul::cli {
namespace {

constexpr std::string_view kSuffixes = "KMGT";
constexpr double kMostBytes = 0x1p62;

struct Scale {
  double factor;
  const char* unit;
};

// Formats `value` in the largest unit of `scales` (in descending order) that does not exceed it.
template <std::size_t N>
std::string scaled(double value, const std::array<Scale, N>& scales) {
  const Scale* chosen = &scales.back();
  for (const Scale& scale : scales) {
    // 999.5 would be rounded up to four digits.
    if (value >= scale.factor * 0.9995) {
      chosen = &scale;
      break;
    }
  }
  const double figure = value / chosen->factor;
  const int decimals = chosen->factor == scales.back().factor && figure == std::floor(figure) ? 0
                       : figure < 9.995                                                       ? 2
                       : figure < 99.95                                                       ? 1
                                                                                              : 0;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f%s", decimals, figure, chosen->unit);
  return text.data();  // cut, for numbers that no server has
}

// "3h12m" while `most` of the larger unit is not reached, else "23h".
std::string two_units(std::uint64_t larger, const char* unit, std::uint64_t smaller, const char* smaller_unit,
                      std::uint64_t most) {
  const std::string text = std::to_string(larger) + unit;
  return larger < most ? text + (smaller < 10 ? "0" : "") + std::to_string(smaller) + smaller_unit : text;
}

std::string below_a_minute(double seconds) {
  std::array<char, 32> text{};
  if (seconds < 0.9995e-3) {
    std::snprintf(text.data(), text.size(), "%.0fus", seconds * 1e6);
  } else if (seconds < 0.9995) {
    std::snprintf(text.data(), text.size(), seconds < 9.95e-3 ? "%.1fms" : "%.0fms", seconds * 1e3);
  } else {
    std::snprintf(text.data(), text.size(), "%.1fs", seconds);
  }
  return text.data();
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  // "-0", "inf" and "nan" are numbers for from_chars.
  if (error != std::errc{} || text.front() < '.' || text.front() > '9') {
    return std::nullopt;
  }
  std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (suffix.empty() || suffix == "B") {
    if (value != std::floor(value)) {
      return std::nullopt;
    }
  } else {
    const std::size_t power = kSuffixes.find(static_cast<char>(suffix.front() & ~0x20));
    if (power == std::string_view::npos) {
      return std::nullopt;
    }
    value = std::ldexp(value, static_cast<int>(10 * (power + 1)));
    suffix.remove_prefix(1);
    if (!suffix.empty() && suffix != "B" && suffix != "iB") {
      return std::nullopt;
    }
  }
  if (!(value <= kMostBytes)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(value);
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array<Scale, 5> kScales{
      {{0x1p40, " TiB"}, {0x1p30, " GiB"}, {0x1p20, " MiB"}, {0x1p10, " KiB"}, {1, " B"}}};
  return scaled(static_cast<double>(bytes), kScales);
}

std::string format_count(double count) {
  static constexpr std::array<Scale, 4> kScales{{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}};
  return scaled(count, kScales);
}

std::string format_bit_rate(double bits_per_second) {
  static constexpr std::array<Scale, 4> kScales{
      {{1e9, " Gbit/s"}, {1e6, " Mbit/s"}, {1e3, " kbit/s"}, {1, " bit/s"}}};
  return scaled(bits_per_second, kScales);
}

std::string format_duration(double seconds) {
  static constexpr std::array<Scale, 4> kScales{{{1, " s"}, {1e-3, " ms"}, {1e-6, " us"}, {1e-9, " ns"}}};
  return scaled(seconds, kScales);
}

std::string format_short_duration(double seconds) {
  constexpr std::uint64_t kMinute = 60;
  constexpr std::uint64_t kHour = 60 * kMinute;
  constexpr std::uint64_t kDay = 24 * kHour;
  if (!(seconds > 0)) {
    return "0";
  }
  if (seconds < 59.95) {
    return below_a_minute(seconds);
  }
  const auto whole = static_cast<std::uint64_t>(std::llround(std::min(seconds, 9'999.0 * kDay)));
  if (whole < kHour) {
    return two_units(whole / kMinute, "m", whole % kMinute, "s", 10);
  }
  if (whole < kDay) {
    return two_units(whole / kHour, "h", whole % kHour / kMinute, "m", 10);
  }
  return two_units(whole / kDay, "d", whole % kDay / kHour, "h", 10);
}

}  // namespace knul::cli
