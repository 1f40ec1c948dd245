// The settings of a server, as the library describes them (krepis_settings). `knul serve` has no list of its
// own, so each new setting of the library becomes a flag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/outcome.hpp"

namespace knul::cli {

enum class SettingType : std::uint8_t { kText, kInteger, kBoolean, kList };

struct Setting {
  std::string name;  // "max_streams"
  SettingType type = SettingType::kText;
  std::string doc = {};
  std::string default_text = {};  // as shown in --help; empty: none
  std::string limits = {};        // "1..64", "cubic, bbr, reno" or empty
};

Outcome<std::vector<Setting>> library_settings();

// The first word of an error text of the library. The library's interfaces have no field for the setting that
// an error is about, but the text of such an error begins with the name of the setting (docs/abi.md).
[[nodiscard]] std::string setting_named_in(std::string_view message);

// "--max-streams" and "KNUL_MAX_STREAMS".
[[nodiscard]] std::string flag_of(const Setting& setting);
[[nodiscard]] std::string environment_variable_of(const Setting& setting);

// Converts `text` from a flag or the environment to the JSON value of the setting: a number, true or false, a
// string, or an array of the parts between commas.
Outcome<std::string> json_value(const Setting& setting, std::string_view text);

}  // namespace knul::cli
