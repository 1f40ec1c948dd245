#include "quic/wire/early_packets.hpp"

#include <ngtcp2/ngtcp2.h>

#include <algorithm>

namespace knul::quic {
namespace {

// The bytes of the leading packets that there are keys for. RFC 9000 §12.2.
std::size_t readable_bytes(std::span<const std::uint8_t> datagram, EarlyPackets::HandshakeKeys keys) {
  constexpr std::uint8_t kLongHeader = 0x80;
  std::size_t at = 0;
  while (at < datagram.size() && (datagram[at] & kLongHeader) != 0) {
    const std::span<const std::uint8_t> rest = datagram.subspan(at);
    ngtcp2_pkt_hd header;
    const ngtcp2_ssize read = ngtcp2_pkt_decode_hd_long(&header, rest.data(), rest.size());
    const bool is_readable =
        read > 0 && (header.type == NGTCP2_PKT_INITIAL || (header.type == NGTCP2_PKT_HANDSHAKE &&
                                                           keys == EarlyPackets::HandshakeKeys::kAvailable));
    if (!is_readable) {
      break;
    }
    at += std::min(rest.size(), static_cast<std::size_t>(read) + header.len);
  }
  return at;
}

}  // namespace

std::span<const std::uint8_t> EarlyPackets::admit(std::span<const std::uint8_t> datagram,
                                                  HandshakeKeys keys) {
  const std::size_t readable = readable_bytes(datagram, keys);
  const std::size_t early = datagram.size() - readable;
  const std::size_t free = readable > 0 ? readable + kSmallBytes : 0;
  if (early == 0 || datagram.size() <= free) {
    return datagram;
  }
  if (early > kMostBytes - bytes_) {
    return datagram.first(free);
  }
  bytes_ += early;
  return datagram;
}

}  // namespace knul::quic
