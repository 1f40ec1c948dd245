// The one table of settings: names, ranges, units and documentation of krepis::ServerOptions and of the
// built-in services. The JSON keys, docs/settings.md and the checks are all made from it.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/socket_address.hpp"

namespace knul::server {

// What a start by JSON says: the server, and which built-in service answers its streams.
struct ParsedSettings {
  krepis::ServerOptions options;
  std::string service = "none";
  std::string service_root;  // of "hq"
};

// Where a setting is kept; its type is the setting's type.
using SettingPlace =
    std::variant<std::string krepis::ServerOptions::*, std::uint16_t krepis::ServerOptions::*,
                 unsigned krepis::ServerOptions::*, std::uint64_t krepis::ServerOptions::*,
                 bool krepis::ServerOptions::*, std::vector<std::string> krepis::ServerOptions::*,
                 std::string ParsedSettings::*>;

enum class AboveMax : bool { kRefuse, kClamp };

struct Setting {
  std::string_view name;
  SettingPlace place;
  std::string_view doc;
  std::string_view unit = {};                     // "ms", "bytes", or what is counted
  std::uint64_t min = 0;                          // of an integer, or of a text's length in bytes
  std::uint64_t max = 0;                          // the same
  std::span<const std::string_view> values = {};  // all that a text may be; empty: any
  AboveMax above_max = AboveMax::kRefuse;
};

// Why no server can listen on this address and no client reach it, as "a multicast address"; empty when it is
// one of a single host, or the wildcard.
[[nodiscard]] std::string_view why_unusable(const base::SocketAddress& address);

// In the order of the documentation.
[[nodiscard]] std::span<const Setting> settings();
[[nodiscard]] const Setting* find_setting(std::string_view name);
// "string", "integer", "boolean" or "list of strings".
[[nodiscard]] std::string_view type_name(const Setting& setting);

// Checks every option and the ones that depend on each other. The message names the field, the value and
// what was expected. Error: kInvalidArgument.
base::Status validate(const krepis::ServerOptions& options);
base::Status validate(const ParsedSettings& settings);

// Brings what may be above its maximum (idle_timeout_ms) down to it. After validate.
void clamp(krepis::ServerOptions& options);

// Both, by the same table, for what a client shares with a server.
base::Status validate_and_clamp(krepis::ConnectionOptions& options);

}  // namespace knul::server
