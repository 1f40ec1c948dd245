// The inputs of an endpoint, and its limits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/page_source.hpp"
#include "base/qlog.hpp"
#include "quic/connection/transport_options.hpp"
#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/tls_context.hpp"

namespace knul::quic {

// Address validation by Retry, RFC 9000 §8.1.2.
enum class RetryPolicy : std::uint8_t {
  kNever,
  kAuto,  // with half of max_half_open or kHalfOpenWithoutRetry handshakes half-open
  kAlways,
};

// A first flight costs a worker 0.2 ms, so this many delay a flood of Initials by 50 ms. In that time 20,000
// a second do not fill a receive buffer of 4 MiB. With 1,000 the kernel would drop packets of all
// connections.
inline constexpr std::uint64_t kHalfOpenWithoutRetry = 256;

// How packets reach the worker of their connection.
enum class Steering : std::uint8_t {
  kByKernel,        // new connections by the kernel's hash, others by connection ID
  kByConnectionId,  // every packet by byte 0 of its destination connection ID
};

struct EndpointOptions {
  unsigned worker = 0;
  unsigned workers = 1;
  Steering steering = Steering::kByKernel;
  TransportOptions transport;
  std::shared_ptr<const TlsServerContext> server_tls;  // null: accepts no connections
  TlsServerSource* tls_source = nullptr;  // replaces server_tls; null: never. Lifetime: outlives the endpoint
  std::shared_ptr<const TlsClientContext> client_tls;  // null: connect fails
  bool resumes_sessions = false;                       // a client stores and uses tickets
  std::vector<std::uint8_t> static_secret;             // 32 bytes, the same for all workers of a server
  const ProtectionLibrary* protection = ipsec_mb();    // null: GnuTLS protects packets
  RetryPolicy retry = RetryPolicy::kAuto;
  std::uint64_t max_connections = 200'000;  // this and the next limits are per endpoint
  std::uint64_t max_half_open = 4'096;
  std::size_t max_closing = 65'536;               // entries of the closing table
  std::uint64_t max_connections_per_address = 0;  // 0: no limit
  std::uint64_t send_buffer_bytes = 1 << 30;
  base::PageSource* pages = nullptr;  // null: connections do not hibernate. Lifetime: outlives the endpoint
  std::uint64_t receive_window_bytes = 1 << 30;  // growth of all connections' windows
  base::QlogFiles* qlog = nullptr;  // null: no connection is logged. Lifetime: outlives the endpoint
};

}  // namespace knul::quic
