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

// The library counts lost packets for each stream, and from ngtcp2 1.16 on also for the connection.
TEST(Losses, OfOpenStreamsAndOfTheConnectionAgree) {
  EndpointPair pair;
  pair.shake_hands();
  Connection& server = pair.server_connection();
  int packets = 0;
  pair.drops = [&](std::span<const std::uint8_t>, bool is_from_client) {
    return !is_from_client && ++packets % 20 == 0;
  };
  Stream& stream = **server.streams().open(StreamDirection::kUnidirectional);
  for (int round = 0; round < 10; ++round) {
    server.streams().write_copy(stream, std::vector<std::uint8_t>(100'000, 1), Fin::kNo);
    pair.advance(std::chrono::seconds(1));
  }
  const std::uint64_t of_stream = server.losses_of_open_streams();
  const std::uint64_t of_connection = server.statistics(pair.now).packets_lost;
  EXPECT_GE(of_stream, 20U);
  EXPECT_GE(of_connection, of_stream);
  EXPECT_LE(of_connection, of_stream + of_stream / 5) << "few packets have no stream data";
}

}  // namespace
}  // namespace knul::quic
