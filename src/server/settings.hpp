// The one table of settings: names, ranges, units and documentation of krepis::ServerOptions and of the
// built-in services. The JSON keys, docs/settings.md and the checks come from it.
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

// The content of a start by JSON: the server's options, and the built-in service that answers its streams.
struct ParsedSettings {
  krepis::ServerOptions options;
  std::string service = "none";
  std::string service_root;  // for "hq"
};

// The member that holds a setting; its type is the setting's type.
using SettingPlace =
    std::variant<std::string krepis::ServerOptions::*, std::uint16_t krepis::ServerOptions::*,
                 unsigned krepis::ServerOptions::*, std::uint64_t krepis::ServerOptions::*,
                 bool krepis::ServerOptions::*, std::vector<std::string> krepis::ServerOptions::*,
                 std::string ParsedSettings::*>;

enum class AboveMax : bool { kRefuse, kClamp };

// Rules for a list; range and unit of the Setting are those of its texts.
struct ListRules {
  std::size_t min_items = 0;
  std::size_t max_items = 0;
  bool is_unique = false;
};

struct Setting {
  std::string_view name;
  SettingPlace place;
  std::string_view doc;
  std::string_view unit = {};                     // "ms", "bytes", or the counted things
  std::uint64_t min = 0;                          // of an integer, or of a text's bytes
  std::uint64_t max = 0;                          // the same
  std::span<const std::string_view> values = {};  // the valid texts; empty: any text
  AboveMax above_max = AboveMax::kRefuse;
  ListRules list = {};
};

// Shown in place of a secret, which key_pem is.
inline constexpr std::string_view kNotShown = "(not shown)";
[[nodiscard]] bool is_secret(const Setting& setting);

// Why no server can listen on this address and no client can reach it, for example "a multicast address".
// Empty for the address of a single host and for the wildcard.
[[nodiscard]] std::string_view why_unusable(const base::SocketAddress& address);

// In the order of the documentation.
[[nodiscard]] std::span<const Setting> settings();
[[nodiscard]] const Setting* find_setting(std::string_view name);
// "string", "integer", "boolean" or "list of strings".
[[nodiscard]] std::string_view type_name(const Setting& setting);

// Checks each option and the options that depend on each other. The error names the field, its value and the
// expected value. Error: kInvalidArgument.
base::Status validate(const krepis::ServerOptions& options);
base::Status validate(const ParsedSettings& settings);

// Lowers values that may exceed their maximum (idle_timeout_ms) to it. Called after validate.
void clamp(krepis::ServerOptions& options);

// Does both, with the same table, for the options that a client shares with a server.
base::Status validate_and_clamp(krepis::ConnectionOptions& options);

}  // namespace knul::server
