// Conversions between the enums of krepis.hpp and those of quic, which does not include krepis.hpp.
#pragma once

#include <krepis/krepis.hpp>

#include "quic/stream/datagram_queue.hpp"
#include "quic/stream/stream_types.hpp"

namespace knul::server {

template <class Public, class Internal>
constexpr bool are_same(Public one, Internal other) {
  return static_cast<int>(one) == static_cast<int>(other);
}

static_assert(are_same(krepis::Fin::kNo, quic::Fin::kNo) && are_same(krepis::Fin::kYes, quic::Fin::kYes));
constexpr quic::Fin to_internal(krepis::Fin fin) { return static_cast<quic::Fin>(fin); }
constexpr krepis::Fin to_public(quic::Fin fin) { return static_cast<krepis::Fin>(fin); }

static_assert(are_same(krepis::StreamDirection::kBidirectional, quic::StreamDirection::kBidirectional) &&
              are_same(krepis::StreamDirection::kUnidirectional, quic::StreamDirection::kUnidirectional));
constexpr quic::StreamDirection to_internal(krepis::StreamDirection direction) {
  return static_cast<quic::StreamDirection>(direction);
}
constexpr krepis::StreamDirection to_public(quic::StreamDirection direction) {
  return static_cast<krepis::StreamDirection>(direction);
}

static_assert(are_same(krepis::DatagramPolicy::kBlock, quic::DatagramPolicy::kBlock) &&
              are_same(krepis::DatagramPolicy::kDropOldest, quic::DatagramPolicy::kDropOldest) &&
              are_same(krepis::DatagramPolicy::kDropNewest, quic::DatagramPolicy::kDropNewest));
constexpr quic::DatagramPolicy to_internal(krepis::DatagramPolicy policy) {
  return static_cast<quic::DatagramPolicy>(policy);
}

static_assert(are_same(krepis::DatagramOutcome::kQueued, quic::DatagramOutcome::kQueued) &&
              are_same(krepis::DatagramOutcome::kBlocked, quic::DatagramOutcome::kBlocked) &&
              are_same(krepis::DatagramOutcome::kDropped, quic::DatagramOutcome::kDropped) &&
              are_same(krepis::DatagramOutcome::kRefused, quic::DatagramOutcome::kRefused));
constexpr krepis::DatagramOutcome to_public(quic::DatagramOutcome outcome) {
  return static_cast<krepis::DatagramOutcome>(outcome);
}

static_assert(are_same(krepis::DatagramFate::kAcknowledged, quic::DatagramFate::kAcknowledged) &&
              are_same(krepis::DatagramFate::kLost, quic::DatagramFate::kLost) &&
              are_same(krepis::DatagramFate::kDropped, quic::DatagramFate::kDropped));
constexpr krepis::DatagramFate to_public(quic::DatagramFate fate) {
  return static_cast<krepis::DatagramFate>(fate);
}

}  // namespace knul::server
