#include "quic/wire/connection_id.hpp"

#include <cassert>

namespace knul::quic {

ConnectionId::ConnectionId(std::span<const std::uint8_t> bytes)
    : length_(static_cast<std::uint8_t>(std::min(bytes.size(), bytes_.size()))) {
  assert(bytes.size() <= bytes_.size());
  std::ranges::copy(bytes.first(length_), bytes_.begin());
}

ngtcp2_cid ConnectionId::to_ngtcp2() const {
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, bytes_.data(), length_);
  return cid;
}

ConnectionId ConnectionIdCodec::generate(base::RandomSource& random) const {
  std::array<std::uint8_t, kLength> bytes;
  random.fill(bytes);
  // The number of values of byte 0 below 256 for this worker, so that all of them are equally likely.
  const unsigned steps = (256 - worker_ + workers_ - 1) / workers_;
  bytes[0] = static_cast<std::uint8_t>(worker_ + workers_ * (bytes[0] % steps));
  return ConnectionId(bytes);
}

}  // namespace knul::quic
