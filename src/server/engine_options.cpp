#include "server/engine_options.hpp"

#include <sched.h>

#include <algorithm>

#include "quic/wire/steering.hpp"

namespace knul::server {
namespace {

base::Duration milliseconds(std::uint64_t count) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(count));
}

quic::CongestionControl congestion_control(const std::string& name) {
  if (name == "bbr") {
    return quic::CongestionControl::kBbr;
  }
  return name == "reno" ? quic::CongestionControl::kReno : quic::CongestionControl::kCubic;
}

quic::RetryPolicy retry_policy(const std::string& name) {
  if (name == "never") {
    return quic::RetryPolicy::kNever;
  }
  return name == "always" ? quic::RetryPolicy::kAlways : quic::RetryPolicy::kAuto;
}

quic::TransportOptions transport_options(const krepis::ConnectionOptions& options) {
  quic::TransportOptions transport;
  transport.max_streams_bidi = options.max_streams;
  transport.max_streams_uni = options.max_streams_uni;
  transport.idle_timeout = milliseconds(options.idle_timeout_ms);
  transport.handshake_timeout = milliseconds(options.handshake_timeout_ms);
  transport.hibernate_after = milliseconds(options.hibernate_after_ms);
  transport.initial_max_data_bytes = options.initial_max_data_bytes;
  transport.initial_max_stream_data_bytes = options.initial_max_stream_data_bytes;
  transport.max_window_bytes = options.max_window_bytes;
  transport.max_stream_window_bytes = options.max_stream_window_bytes;
  transport.stream_send_buffer_bytes = options.stream_send_buffer_bytes;
  transport.max_stream_send_buffer_bytes = options.max_stream_send_buffer_bytes;
  transport.connection_send_buffer_bytes = options.connection_send_buffer_bytes;
  transport.datagram_queue = options.datagram_queue;
  transport.congestion_control = congestion_control(options.congestion_control);
  transport.max_udp_payload_bytes = options.max_udp_payload_bytes;
  return transport;
}

// Each worker keeps its part of a server's limit, rounded up.
std::uint64_t share(std::uint64_t limit, unsigned workers) { return (limit + workers - 1) / workers; }

}  // namespace

const quic::ProtectionLibrary* protection_library(const krepis::ConnectionOptions& options) {
  return options.packet_protection == "gnutls" ? nullptr : quic::ipsec_mb();
}

unsigned automatic_workers() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const int count = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  return static_cast<unsigned>(std::clamp(count, 1, 8));
}

quic::EndpointOptions endpoint_options(const krepis::ServerOptions& options, unsigned workers) {
  quic::EndpointOptions endpoint;
  endpoint.workers = workers;
  endpoint.transport = transport_options(options);
  endpoint.protection = protection_library(options);
  endpoint.retry = retry_policy(options.retry);
  endpoint.max_connections = share(options.max_connections, workers);
  endpoint.max_half_open = share(options.max_half_open, workers);
  endpoint.max_connections_per_address = share(options.max_connections_per_address, workers);
  endpoint.send_buffer_bytes = share(options.server_send_buffer_bytes, workers);
  endpoint.receive_window_bytes = share(options.server_receive_window_bytes, workers);
  return endpoint;
}

quic::EndpointOptions endpoint_options(const krepis::ClientOptions& options) {
  quic::EndpointOptions endpoint;
  endpoint.transport = transport_options(options);
  endpoint.protection = protection_library(options);
  endpoint.resumes_sessions = options.resume_sessions;
  endpoint.max_connections = ~std::uint64_t{0};
  endpoint.max_half_open = ~std::uint64_t{0};
  endpoint.receive_window_bytes = ~std::uint64_t{0};
  return endpoint;
}

udp::SocketOptions socket_options(const krepis::ConnectionOptions& options,
                                  const base::SocketAddress& address) {
  udp::SocketOptions socket;
  socket.address = address;
  socket.send_buffer_bytes = options.socket_send_buffer_bytes;
  socket.receive_buffer_bytes = options.socket_receive_buffer_bytes;
  socket.use_gso = options.gso;
  socket.use_gro = options.gro;
  return socket;
}

udp::GroupOptions group_options(const krepis::ServerOptions& options, unsigned workers) {
  udp::GroupOptions group;
  // Validation has made sure that the host is numeric or "localhost".
  group.socket = socket_options(options, *base::SocketAddress::parse(options.host, options.port));
  group.workers = workers;
  if (options.listen_fd != 0) {
    group.adopted_fd = static_cast<int>(options.listen_fd);
  }
  if (options.steering != "single_socket") {
    group.steering_program = quic::steering_program(workers);
  }
  return group;
}

}  // namespace knul::server
