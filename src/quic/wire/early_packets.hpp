// Limits packets that arrive before the keys to read them. ngtcp2 keeps up to four packets of each kind that
// it has no keys for, of any size: Handshake packets before the ClientHello is complete, 1-RTT packets before
// the client's Finished. So a connection whose handshake never ends would keep some 220 KB. Honest clients
// send few such packets: those that overtake the Finished, at most an initial congestion window. RFC 9001
// §5.7 allows a server to drop them; the client sees them as lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace knul::quic {

class EarlyPackets {
 public:
  static constexpr std::size_t kMostBytes = 16 << 10;
  // Early packets up to this size behind a readable packet of the same datagram are not counted. So a client
  // may repeat its Finished together with 1-RTT data, and a datagram with an Initial keeps its 1,200 bytes
  // (RFC 9000 §14.1).
  static constexpr std::size_t kSmallBytes = 1'500;

  enum class HandshakeKeys : bool { kMissing, kAvailable };  // to read Handshake packets

  // Returns the part of a client's datagram that the library may read before the handshake completes: all of
  // it, or the leading packets that there are keys for. Empty: drop the datagram.
  std::span<const std::uint8_t> admit(std::span<const std::uint8_t> datagram, HandshakeKeys keys);

 private:
  std::size_t bytes_ = 0;
};

}  // namespace knul::quic
