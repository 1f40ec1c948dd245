// Settings as JSON, for krepis_quic_start_json, krepis_quic_info and krepis_settings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "server/settings.hpp"

namespace knul::server {

inline constexpr std::size_t kMaxSettingsBytes = 1 << 20;

// Parses one JSON object with the names of the settings as keys. Error: kInvalidArgument, with the name of an
// unknown or repeated key, of a wrong type or of a value out of range. A service sets its own ALPN if none is
// given. The result is validated and clamped. It can hold a private key, which the caller wipes (secrets.hpp).
base::Result<ParsedSettings> parse_settings_json(std::string_view text);

// Every setting with its value, a secret as kNotShown. Invalid UTF-8 in a path becomes U+FFFD.
[[nodiscard]] std::string settings_to_json(ParsedSettings settings);

// An array of {name, type, default, doc} and, for some settings, min, max, values, unit.
[[nodiscard]] std::string describe_settings_json();

}  // namespace knul::server
