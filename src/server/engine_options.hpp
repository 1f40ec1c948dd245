// Converts ServerOptions and ClientOptions to the options of the layers below.
#pragma once

#include <krepis/krepis.hpp>

#include "quic/endpoint/endpoint_options.hpp"
#include "quic/wire/connection_id.hpp"
#include "udp/socket_group.hpp"

namespace knul::server {

// The number of workers for a setting of 0: the CPUs that this process may use, at most 8.
[[nodiscard]] unsigned automatic_workers();

// Requires valid and clamped `options` (settings.hpp) and resolved `workers`. The result has no TLS contexts,
// no secret and no worker index.
[[nodiscard]] quic::EndpointOptions endpoint_options(const krepis::ServerOptions& options, unsigned workers);
[[nodiscard]] quic::EndpointOptions endpoint_options(const krepis::ClientOptions& options);
// Null: GnuTLS protects packets.
[[nodiscard]] const quic::ProtectionLibrary* protection_library(const krepis::ConnectionOptions& options);
[[nodiscard]] udp::GroupOptions group_options(const krepis::ServerOptions& options, unsigned workers);
[[nodiscard]] udp::SocketOptions socket_options(const krepis::ConnectionOptions& options,
                                                const base::SocketAddress& address);

}  // namespace knul::server
