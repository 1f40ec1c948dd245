// The built-in services: small Applications for tests, tools and benchmarks, chosen by name (setting
// "service" of krepis_quic_start_json, flag --service of `knul serve`).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <krepis/krepis.hpp>

namespace knul::service {

// "echo", "hq", "perf".
[[nodiscard]] std::vector<std::string_view> service_names();

// The default protocol (RFC 7301) of a server with this service: "knul" for echo, "perf" for perf,
// "hq-interop" for hq. Empty for an unknown name.
[[nodiscard]] std::string_view default_alpn(std::string_view name);

// `root` is the folder that hq serves; this call opens it, once. echo and perf have no root. Errors:
// kInvalidRequest for an unknown name, a missing or unusable root, or a root for a service without one; the
// text names the field "service" or "service_root".
krepis::Result<krepis::ApplicationFactory> service_factory(std::string_view name, const std::string& root);

}  // namespace knul::service
