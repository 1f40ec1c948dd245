// What an endpoint is made of and how much it takes on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/page_source.hpp"
#include "quic/connection/transport_options.hpp"
#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/tls_context.hpp"

namespace knul::quic {

// Address validation by Retry, RFC 9000 §8.1.2.
enum class RetryPolicy : std::uint8_t {
  kNever,
  kAuto,  // while half of max_half_open handshakes are under way, or kHalfOpenWithoutRetry
  kAlways,
};

// A first flight costs a worker 0.2 ms. So many keep a flood of Initials waiting for 50 ms, in which 20,000 a
// second do not fill a receive buffer of 4 MiB; with 1,000 the kernel would drop everybody's packets.
inline constexpr std::uint64_t kHalfOpenWithoutRetry = 256;

// How packets come to the worker of their connection.
enum class Steering : std::uint8_t {
  kByKernel,        // new connections by the kernel's hash, others by connection ID
  kByConnectionId,  // every packet by byte 0 of its destination connection ID
};

struct EndpointOptions {
  unsigned worker = 0;
  unsigned workers = 1;
  Steering steering = Steering::kByKernel;
  TransportOptions transport;
  std::shared_ptr<const TlsServerContext> server_tls;  // null: no connection is accepted
  std::shared_ptr<const TlsClientContext> client_tls;  // null: connect fails
  bool resumes_sessions = false;                       // as a client: keeps tickets and uses them
  std::vector<std::uint8_t> static_secret;             // 32 bytes, the same for all workers of a server
  const ProtectionLibrary* protection = ipsec_mb();    // null: GnuTLS protects packets
  RetryPolicy retry = RetryPolicy::kAuto;
  std::uint64_t max_connections = 200'000;  // this and the following: per endpoint
  std::uint64_t max_half_open = 4'096;
  std::size_t max_closing = 65'536;               // connections in their closing period
  std::uint64_t max_connections_per_address = 0;  // 0: no limit
  std::uint64_t send_buffer_bytes = 1 << 30;
  base::PageSource* pages = nullptr;  // null: no connection hibernates. Lifetime: longer than the endpoint
  std::uint64_t receive_window_bytes = 1 << 30;  // of all connections beyond their initial windows
};

}  // namespace knul::quic
