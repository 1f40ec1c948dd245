// Times of the calendar as text.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace knul::base {

inline constexpr std::int64_t kSecondsPerDay = 24 * 60 * 60;

// "2026-11-30 09:05:00 UTC" for Unix seconds. Without gmtime, which calls the system.
inline std::string utc_text(std::int64_t unix_seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const auto two = [](auto value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  return std::to_string(static_cast<int>(date.year())) + "-" + two(static_cast<unsigned>(date.month())) +
         "-" + two(static_cast<unsigned>(date.day())) + " " + two(clock.hours().count()) + ":" +
         two(clock.minutes().count()) + ":" + two(clock.seconds().count()) + " UTC";
}

}  // namespace knul::base
