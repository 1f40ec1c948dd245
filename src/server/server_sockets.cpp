#include "server/server_sockets.hpp"

#include "server/engine_options.hpp"
#include "udp/route_lookup.hpp"

namespace knul::server {

base::Result<udp::SocketGroup> open_sockets(const krepis::ServerOptions& options, base::LogSink& log) {
  if (const auto address = base::SocketAddress::parse(options.host, options.port);
      address && udp::is_network_broadcast(*address)) {
    return base::Error{
        base::ErrorKind::kInvalidArgument,
        "host is \"" + options.host + "\", the broadcast address of a network, expected a host address"};
  }
  auto sockets = udp::SocketGroup::open(group_options(options, options.workers), log);
  if (sockets && options.steering == "bpf" && options.workers > 1 && !sockets->is_steered()) {
    return base::Error{
        base::ErrorKind::kNetwork,
        "steering is \"bpf\", but the kernel refuses a steering program; \"auto\" would share one socket"};
  }
  return sockets;
}

}  // namespace knul::server
