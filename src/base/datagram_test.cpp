#include "base/datagram.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace knul::base {
namespace {

Path path_to(std::uint16_t remote_port) {
  return {*SocketAddress::parse("127.0.0.1", 4433), *SocketAddress::parse("127.0.0.1", remote_port)};
}

void add(SendBatch& batch, std::size_t bytes, std::uint16_t remote_port = 1, Ecn ecn = Ecn::kEct0,
         std::uint8_t fill = 0) {
  std::fill_n(batch.room().begin(), bytes, fill);
  batch.commit(path_to(remote_port), ecn, bytes);
}

std::uint32_t packets_of(const Train& train) {
  return (train.length_bytes + train.segment_bytes - 1) / train.segment_bytes;
}

TEST(SendBatch, JoinsEqualPacketsOfOnePathIntoOneTrain) {
  SendBatch batch({});
  add(batch, 1200);
  add(batch, 1200);
  ASSERT_EQ(batch.trains().size(), 1U);
  EXPECT_EQ(batch.trains()[0].segment_bytes, 1200U);
  EXPECT_EQ(packets_of(batch.trains()[0]), 2U);
}

TEST(SendBatch, LetsAShorterPacketEndItsTrain) {
  SendBatch batch({});
  add(batch, 1200);
  add(batch, 700);
  add(batch, 700);
  ASSERT_EQ(batch.trains().size(), 2U);
  EXPECT_EQ(batch.trains()[0].length_bytes, 1900U);
  EXPECT_EQ(packets_of(batch.trains()[0]), 2U);
  EXPECT_EQ(batch.trains()[1].segment_bytes, 700U);
}

TEST(SendBatch, StartsATrainForALongerPacket) {
  SendBatch batch({});
  add(batch, 1200);
  add(batch, 1201);
  EXPECT_EQ(batch.trains().size(), 2U);
}

TEST(SendBatch, StartsATrainForAnotherPath) {
  SendBatch batch({});
  add(batch, 1200, 1);
  add(batch, 1200, 2);
  ASSERT_EQ(batch.trains().size(), 2U);
  EXPECT_EQ(batch.trains()[1].path, path_to(2));
}

TEST(SendBatch, StartsATrainForAnotherEcnMark) {
  SendBatch batch({});
  add(batch, 1200, 1, Ecn::kEct0);
  add(batch, 1200, 1, Ecn::kNotEct);
  ASSERT_EQ(batch.trains().size(), 2U);
  EXPECT_EQ(batch.trains()[1].ecn, Ecn::kNotEct);
}

TEST(SendBatch, KeepsATrainBelowItsPacketLimit) {
  SendBatch batch({.buffer_bytes = 4096, .train_packets = 3, .train_bytes = 65'000});
  for (int i = 0; i < 4; ++i) {
    add(batch, 100);
  }
  ASSERT_EQ(batch.trains().size(), 2U);
  EXPECT_EQ(packets_of(batch.trains()[0]), 3U);
}

TEST(SendBatch, KeepsATrainBelowItsByteLimit) {
  SendBatch batch({.buffer_bytes = 4096, .train_packets = 64, .train_bytes = 250});
  for (int i = 0; i < 3; ++i) {
    add(batch, 100);
  }
  ASSERT_EQ(batch.trains().size(), 2U);
  EXPECT_EQ(batch.trains()[0].length_bytes, 200U);
}

TEST(SendBatch, KeepsTheBytesOfEachTrainApart) {
  SendBatch batch({});
  add(batch, 10, 1, Ecn::kEct0, 0xaa);
  add(batch, 20, 2, Ecn::kEct0, 0xbb);
  const auto bytes = batch.bytes(batch.trains()[1]);
  ASSERT_EQ(bytes.size(), 20U);
  EXPECT_TRUE(std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0xbb; }));
}

TEST(SendBatch, HasAllItsRoomAgainAfterClear) {
  SendBatch batch({.buffer_bytes = 1000, .train_packets = 64, .train_bytes = 65'000});
  add(batch, 1000);
  EXPECT_EQ(batch.room().size(), 0U);
  batch.clear();
  EXPECT_TRUE(batch.is_empty());
  EXPECT_EQ(batch.room().size(), 1000U);
}

#ifndef NDEBUG
TEST(SendBatchDeathTest, RefusesAPacketThatIsLargerThanItsRoom) {
  SendBatch batch({.buffer_bytes = 10, .train_packets = 64, .train_bytes = 65'000});
  EXPECT_DEATH(batch.commit(path_to(1), Ecn::kNotEct, 11), "packet_bytes");
}
#endif

}  // namespace
}  // namespace knul::base
