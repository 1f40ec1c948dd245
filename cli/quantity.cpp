#include "cli/quantity.hpp"

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
  const int length = std::snprintf(text.data(), text.size(), "%.*f%s", decimals, figure, chosen->unit);
  return {text.data(), static_cast<std::size_t>(length)};
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

}  // namespace knul::cli
