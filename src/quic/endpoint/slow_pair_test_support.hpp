// A pair whose ends know of a round trip of 50 ms, so that delays that follow from it can be seen.
#pragma once

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {

struct SlowPair : EndpointPair {
  static constexpr base::Duration kLeg = std::chrono::milliseconds(25);

  explicit SlowPair(const Change& change = {}) : EndpointPair(change) {
    connect();
    travel();
  }

  // To and fro, ten times, without timers.
  void travel() {
    for (int i = 0; i < 10; ++i) {
      now += kLeg;
      carry(*client, *server);
      now += kLeg;
      carry(*server, *client);
    }
  }
  // How many packets that end sends now; they arrive at once.
  std::uint64_t count_packets(Endpoint& from) {
    const std::uint64_t before = packets;
    carry(from, &from == client.get() ? *server : *client);
    return packets - before;
  }
};

}  // namespace knul::quic
