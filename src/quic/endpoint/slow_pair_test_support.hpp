// A pair with a measured round trip of 50 ms, so that delays derived from it are visible.
#pragma once

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {

struct SlowPair : EndpointPair {
  static constexpr base::Duration kLeg = std::chrono::milliseconds(25);

  explicit SlowPair(const Change& change = {}) : EndpointPair(change) {
    connect();
    travel();
  }

  // Ten round trips, without timers.
  void travel() {
    for (int i = 0; i < 10; ++i) {
      now += kLeg;
      carry(*client, *server);
      now += kLeg;
      carry(*server, *client);
    }
  }
  // The number of packets that `from` sends now. They arrive at once.
  std::uint64_t count_packets(Endpoint& from) {
    const std::uint64_t before = packets;
    carry(from, &from == client.get() ? *server : *client);
    return packets - before;
  }
};

}  // namespace knul::quic
