#include "quic/wire/steering.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "quic/wire/connection_id.hpp"
#include "quic/wire/filter_interpreter_test_support.hpp"
#include "quic/wire/seeded_random_test_support.hpp"

namespace knul::quic {
namespace {

using Bytes = std::vector<std::uint8_t>;

// The rule of steering.hpp, written a second time and differently.
std::uint32_t expected_worker(const Bytes& packet, unsigned workers) {
  if (packet.size() < 6 + ConnectionIdCodec::kLength) {
    return kNoWorker;
  }
  if (packet[0] < 0x80) {
    return packet[1] % workers;
  }
  const std::uint32_t version = (std::uint32_t{packet[1]} << 24) | (std::uint32_t{packet[2]} << 16) |
                                (std::uint32_t{packet[3]} << 8) | packet[4];
  const int type = (packet[0] >> 4) & 3;
  const bool is_handshake =
      (version == NGTCP2_PROTO_VER_V1 && type == 2) || (version == NGTCP2_PROTO_VER_V2 && type == 3);
  return is_handshake && packet[5] == ConnectionIdCodec::kLength ? packet[6] % workers : kNoWorker;
}

Bytes header_with(std::initializer_list<std::uint8_t> start, const ConnectionId& id) {
  Bytes packet(start);
  packet.insert(packet.end(), id.bytes().begin(), id.bytes().end());
  packet.resize(packet.size() + 30);
  return packet;
}

TEST(SteeringProgram, NamesTheWorkerThatTheCodecPutIntoTheId) {
  SeededRandom random(1);
  for (unsigned workers : {1U, 2U, 3U, 8U, base::kMostWorkers}) {
    const auto program = steering_program(workers);
    for (unsigned worker = 0; worker < workers; ++worker) {
      const ConnectionId id = ConnectionIdCodec(worker, workers).generate(random);
      EXPECT_EQ(run_filter(program, header_with({0x40}, id)), worker);
      EXPECT_EQ(run_filter(program, header_with({0xe0, 0, 0, 0, 1, 8}, id)), worker);
      EXPECT_EQ(run_filter(program, header_with({0xf0, 0x6b, 0x33, 0x43, 0xcf, 8}, id)), worker);
    }
  }
}

TEST(SteeringProgram, NamesNoWorkerForIdsThatTheClientChose) {
  SeededRandom random(1);
  const ConnectionId id = ConnectionIdCodec(0, 1).generate(random);
  const auto program = steering_program(4);
  EXPECT_EQ(run_filter(program, header_with({0xc0, 0, 0, 0, 1, 8}, id)), kNoWorker);              // Initial
  EXPECT_EQ(run_filter(program, header_with({0xd0, 0, 0, 0, 1, 8}, id)), kNoWorker);              // 0-RTT
  EXPECT_EQ(run_filter(program, header_with({0xd0, 0x6b, 0x33, 0x43, 0xcf, 8}, id)), kNoWorker);  // Initial
}

TEST(SteeringProgram, FollowsItsRuleForArbitraryPackets) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const auto workers = static_cast<unsigned>(1 + random() % base::kMostWorkers);
    constexpr std::array<Bytes::value_type, 2> kLengths = {ConnectionIdCodec::kLength, 20};
    Bytes bytes(random() % 40);
    std::ranges::generate(bytes, [&] { return static_cast<std::uint8_t>(random()); });
    if (bytes.size() > 5 && random() % 4 != 0) {
      const std::array versions = {NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2, 0U, NGTCP2_PROTO_VER_V1 + 1};
      const std::uint32_t version = versions[random() % 4];
      for (std::size_t byte = 0; byte < 4; ++byte) {
        bytes[1 + byte] = static_cast<std::uint8_t>(version >> (24 - 8 * byte));
      }
      bytes[5] = kLengths[random() % 2];
    }
    ASSERT_EQ(run_filter(steering_program(workers), bytes), expected_worker(bytes, workers))
        << "seed " << seed;
  }
}

TEST(SteeringProgram, StaysShort) { EXPECT_LE(steering_program(base::kMostWorkers).size(), 21U); }

}  // namespace
}  // namespace knul::quic
