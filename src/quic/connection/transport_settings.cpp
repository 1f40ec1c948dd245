#include "quic/connection/transport_settings.hpp"

#include <algorithm>
#include <cstring>

namespace knul::quic {
namespace {

// The connection IDs of the peer that this side keeps: enough to follow it through migrations.
constexpr std::uint64_t kActiveConnectionIds = 4;
constexpr std::uint64_t kMaxDatagramFrameBytes = 65'535;
// Half of the recommendation of RFC 9002 §6.2.2: a lost first packet is sent again after 0.6 s, not after 1
// s; docs/decisions/0013.
constexpr base::Duration kInitialRtt = std::chrono::milliseconds(200);
// Path MTU probes below the configured maximum, for Ethernet with a tunnel or PPPoE in between.
constexpr std::array<std::uint16_t, 4> kSmallerProbes{1'444, 1'406, 1'342, 1'232};

ngtcp2_cc_algo algorithm(CongestionControl control) {
  switch (control) {
    case CongestionControl::kBbr:
      return NGTCP2_CC_ALGO_BBR;
    case CongestionControl::kReno:
      return NGTCP2_CC_ALGO_RENO;
    case CongestionControl::kCubic:
      break;
  }
  return NGTCP2_CC_ALGO_CUBIC;
}

ngtcp2_duration nanoseconds(base::Duration duration) {
  return static_cast<ngtcp2_duration>(duration.count());
}

}  // namespace

TransportSettings::TransportSettings(const TransportOptions& options, ngtcp2_tstamp now) {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = now;
  settings.cc_algo = algorithm(options.congestion_control);
  settings.initial_rtt = nanoseconds(kInitialRtt);
  settings.handshake_timeout = nanoseconds(options.handshake_timeout);
  // The library's own growth of windows has no limit over all connections; receive_window.hpp replaces it.
  settings.max_window = 0;
  settings.max_stream_window = 0;
  settings.max_tx_udp_payload_size = options.max_udp_payload_bytes;
  std::size_t count = 0;
  // The library accepts only probes above 1,200 bytes, which every path carries.
  if (options.max_udp_payload_bytes > NGTCP2_MAX_UDP_PAYLOAD_SIZE) {
    probes_[count++] = static_cast<std::uint16_t>(options.max_udp_payload_bytes);
  }
  for (const std::uint16_t probe : kSmallerProbes) {
    if (probe < options.max_udp_payload_bytes)
      probes_[count++] = probe;
  }
  settings.no_pmtud = count == 0 ? 1 : 0;
  settings.pmtud_probes = probes_.data();
  settings.pmtud_probeslen = count;

  ngtcp2_transport_params_default(&params);
  params.initial_max_streams_bidi = options.max_streams_bidi;
  params.initial_max_streams_uni = options.max_streams_uni;
  params.initial_max_data = options.initial_max_data_bytes;
  params.initial_max_stream_data_bidi_local = options.initial_max_stream_data_bytes;
  params.initial_max_stream_data_bidi_remote = options.initial_max_stream_data_bytes;
  params.initial_max_stream_data_uni = options.initial_max_stream_data_bytes;
  params.max_idle_timeout = nanoseconds(options.idle_timeout);
  params.active_connection_id_limit = kActiveConnectionIds;
  params.max_datagram_frame_size = options.datagram_queue > 0 ? kMaxDatagramFrameBytes : 0;
  params.grease_quic_bit = 1;
}

ngtcp2_path to_ngtcp2(const base::Path& path) {
  // The library takes mutable pointers but only reads through them.
  return {{const_cast<sockaddr*>(path.local.data()), path.local.size()},
          {const_cast<sockaddr*>(path.remote.data()), path.remote.size()},
          nullptr};
}

bool is_same(const ngtcp2_path& a, const base::Path& b) {
  // Runs once per packet. The compiler expands memcmp() inline because each size is a constant.
  const auto is_same_address = [](const ngtcp2_addr& left, const base::SocketAddress& right) {
    if (right.is_v4()) {
      return left.addrlen == sizeof(sockaddr_in) &&
             std::memcmp(left.addr, right.data(), sizeof(sockaddr_in)) == 0;
    }
    return right.is_v6() && left.addrlen == sizeof(sockaddr_in6) &&
           std::memcmp(left.addr, right.data(), sizeof(sockaddr_in6)) == 0;
  };
  return is_same_address(a.remote, b.remote) && is_same_address(a.local, b.local);
}

base::Path from_ngtcp2(const ngtcp2_path& path) {
  return {base::SocketAddress::from_sockaddr(path.local.addr, path.local.addrlen),
          base::SocketAddress::from_sockaddr(path.remote.addr, path.remote.addrlen)};
}

}  // namespace knul::quic
