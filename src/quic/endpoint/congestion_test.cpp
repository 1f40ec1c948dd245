// The setting of congestion control reaches the library: each algorithm reacts to a lost packet differently.
#include <gtest/gtest.h>

#include "quic/endpoint/slow_pair_test_support.hpp"

namespace knul::quic {
namespace {

// The server's congestion window in the middle of a large transfer, after one lost packet.
std::uint64_t window_after_loss(CongestionControl algorithm) {
  SlowPair pair([algorithm](EndpointOptions& server, EndpointOptions& client) {
    server.transport.congestion_control = algorithm;
    server.transport.stream_send_buffer_bytes = 8 << 20;
    client.transport.initial_max_data_bytes = client.transport.initial_max_stream_data_bytes = 8 << 20;
  });
  Stream& stream = **pair.server_connection().streams().open(StreamDirection::kBidirectional);
  pair.server_connection().streams().write_copy(stream, std::vector<std::uint8_t>(8 << 20, 1), Fin::kNo);
  int packets = 0;
  pair.drops = [&](std::span<const std::uint8_t>, bool is_from_client) {
    return !is_from_client && ++packets == 100;
  };
  pair.travel();
  EXPECT_GT(packets, 100);
  return pair.server_connection().transport_state().congestion_window_bytes;
}

TEST(Congestion, IsControlledByTheAlgorithmThatWasChosen) {
  const std::uint64_t cubic = window_after_loss(CongestionControl::kCubic);
  const std::uint64_t reno = window_after_loss(CongestionControl::kReno);
  const std::uint64_t bbr = window_after_loss(CongestionControl::kBbr);
  EXPECT_EQ(cubic, window_after_loss(CongestionControl::kCubic));
  EXPECT_NE(cubic, reno);
  EXPECT_NE(cubic, bbr);
  EXPECT_NE(reno, bbr);
}

}  // namespace
}  // namespace knul::quic
