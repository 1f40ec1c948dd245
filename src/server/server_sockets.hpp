// Opens the sockets that a server's options ask for.
#pragma once

#include <krepis/krepis.hpp>

#include "base/log.hpp"
#include "base/result.hpp"
#include "udp/socket_group.hpp"

namespace knul::server {

// Requires valid options with resolved `workers`. Errors: as udp::SocketGroup::open, and kInvalidArgument:
// the host is the broadcast address of a network.
[[nodiscard]] base::Result<udp::SocketGroup> open_sockets(const krepis::ServerOptions& options,
                                                          base::LogSink& log);

}  // namespace knul::server
