// Looks up routes, to find the address of this machine that the kernel would send from.
#pragma once

#include "base/result.hpp"
#include "base/socket_address.hpp"

namespace knul::udp {

// The source address for packets to `remote`, port 0. Sends nothing. Errors: kNetwork (no route), kQuota.
base::Result<base::SocketAddress> source_address_for(const base::SocketAddress& remote);

// True for the broadcast address of one of this machine's IPv4 networks, at which no server can listen.
[[nodiscard]] bool is_network_broadcast(const base::SocketAddress& address);

}  // namespace knul::udp
