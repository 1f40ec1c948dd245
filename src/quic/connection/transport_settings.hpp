// TransportOptions as the QUIC library's settings and transport parameters.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>

#include "base/datagram.hpp"
#include "quic/connection/transport_options.hpp"

namespace knul::quic {

// Owns what the settings point to. Lifetime: until the library's connection was created. Never moves.
class TransportSettings {
 public:
  TransportSettings(const TransportOptions& options, ngtcp2_tstamp now);
  TransportSettings(const TransportSettings&) = delete;
  TransportSettings& operator=(const TransportSettings&) = delete;

  ngtcp2_settings settings;
  ngtcp2_transport_params params;

 private:
  std::array<std::uint16_t, 5> probes_{};
};

[[nodiscard]] inline ngtcp2_tstamp to_timestamp(base::Instant instant) {
  return static_cast<ngtcp2_tstamp>(instant.time_since_epoch().count());
}

// Lifetime: the result points into `path`.
[[nodiscard]] ngtcp2_path to_ngtcp2(const base::Path& path);
[[nodiscard]] base::Path from_ngtcp2(const ngtcp2_path& path);
[[nodiscard]] bool is_same(const ngtcp2_path& a, const base::Path& b);

}  // namespace knul::quic
