// Settings as JSON: what krepis_quic_start_json reads, krepis_quic_info and krepis_settings write.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "server/settings.hpp"

namespace knul::server {

inline constexpr std::size_t kMaxSettingsBytes = 1 << 20;

// One JSON object; its keys are the names of the settings. Unknown and repeated keys, wrong types and values
// out of range are kInvalidArgument and named. A service brings its own ALPN when none is given. Validated
// and clamped.
base::Result<ParsedSettings> parse_settings_json(std::string_view text);

// Every setting with its value. Bytes of a path that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string settings_to_json(ParsedSettings settings);

// Array of {name, type, default, doc} and, where they apply, min, max, values, unit. `default` is null where
// the setting must be given.
[[nodiscard]] std::string describe_settings_json();

}  // namespace knul::server
