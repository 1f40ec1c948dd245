#include "attack.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace knul::attack {
namespace {

std::string number(double value, const std::string& unit) {
  char text[64];
  const bool is_whole = std::floor(value) == value || value >= 1'000;
  std::snprintf(text, sizeof text, is_whole ? "%.0f" : "%.2f", value);
  return unit.empty() ? text : std::string(text) + " " + unit;
}

}  // namespace

std::uint64_t Attack::count(std::uint64_t in_short, std::uint64_t in_full) const {
  if (is_full()) {
    return in_full;
  }
  return kIsSanitized ? std::max<std::uint64_t>(1, in_short / 4) : in_short;
}

bool Attack::goes_on(int part) const { return Clock::now() - begin_ < span() / part; }

void Attack::at_most(const std::string& what, double measured, double bound, const std::string& unit) {
  checks.push_back({what, "≤ " + number(bound, unit), number(measured, unit), measured <= bound});
}

void Attack::at_least(const std::string& what, double measured, double bound, const std::string& unit) {
  checks.push_back({what, "≥ " + number(bound, unit), number(measured, unit), measured >= bound});
}

void Attack::holds(const std::string& what, bool is_so) {
  checks.push_back({what, "yes", is_so ? "yes" : "no", is_so});
}

void Attack::equals(const std::string& what, const std::string& measured, const std::string& expected) {
  checks.push_back({what, expected, measured, measured == expected});
}

void Attack::note(const std::string& what, double measured, const std::string& unit) {
  checks.push_back({what, "", number(measured, unit), true});
}

std::string hex(std::uint64_t code) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(code));
  return text;
}

std::string to_text(const std::optional<RawConnection::Close>& close) {
  if (!close) {
    return "none";
  }
  return hex(close->code) + (close->is_application ? " (application)" : "");
}

Bytes perf_request(std::uint64_t answer_bytes) {
  Bytes out;
  append_number(out, answer_bytes, 8);
  return out;
}

}  // namespace knul::attack
