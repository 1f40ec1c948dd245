#include "quic/stream/send_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string>

namespace knul::quic {
namespace {

std::vector<std::uint8_t> unsent_bytes(const SendBuffer& buffer) {
  std::array<ngtcp2_vec, 64> vectors{};
  const std::size_t count = buffer.gather_unsent(vectors, ~std::size_t{0}).entries;
  std::vector<std::uint8_t> bytes;
  for (const ngtcp2_vec& part : std::span(vectors).first(count)) {
    bytes.insert(bytes.end(), part.base, part.base + part.len);
  }
  return bytes;
}

TEST(SendBuffer, KeepsBytesAtTheirAddressUntilAcknowledged) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  SendBuffer buffer(pool);
  const std::vector<std::uint8_t> first(500, 'a');
  buffer.append_copy(first);
  std::array<ngtcp2_vec, 1> before{};
  ASSERT_EQ(buffer.gather_unsent(before, ~std::size_t{0}).entries, 1U);
  buffer.mark_sent(500);
  for (int i = 0; i < 100; ++i)
    buffer.append_copy(std::vector<std::uint8_t>(70'000, 'b'));
  EXPECT_EQ(std::vector<std::uint8_t>(before[0].base, before[0].base + 500), first);
}

TEST(SendBuffer, GathersNoMoreThanEnough) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  SendBuffer buffer(pool);
  for (int i = 0; i < 5; ++i)
    buffer.append_copy(std::vector<std::uint8_t>(BlockPool::kLargestBytes, 'a'));
  std::array<ngtcp2_vec, 16> vectors{};
  const SendBuffer::Gathered packet = buffer.gather_unsent(vectors, 1'452);
  EXPECT_EQ(packet.entries, 1U);
  EXPECT_EQ(packet.bytes, BlockPool::kLargestBytes);
  const SendBuffer::Gathered more = buffer.gather_unsent(vectors, BlockPool::kLargestBytes + 1);
  EXPECT_EQ(more.entries, 2U);
  EXPECT_EQ(more.bytes, 2 * BlockPool::kLargestBytes);
}

TEST(SendBuffer, ReleasesASharedOwnerWhenItsBytesAreAcknowledged) {
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  SendBuffer buffer(pool);
  auto owner = std::make_shared<std::vector<std::uint8_t>>(1'000, 7);
  buffer.append_shared(owner, *owner);
  buffer.append_copy(std::vector<std::uint8_t>(10, 8));
  buffer.mark_sent(1'010);
  buffer.acknowledge(999);
  EXPECT_EQ(owner.use_count(), 2);
  buffer.acknowledge(1);
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(SendBuffer, GivesBackExactlyWhatWasAppendedThroughRandomUse) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  stats::WorkerCounters counters;
  BlockPool pool{counters};
  SendBuffer buffer(pool);
  auto shared = std::make_shared<std::vector<std::uint8_t>>(5'000);
  std::iota(shared->begin(), shared->end(), std::uint8_t{3});
  std::vector<std::uint8_t> expected;
  std::size_t in_flight = 0;
  for (int step = 0; step < 3'000; ++step) {
    const std::size_t size = random() % 3'000;
    switch (random() % 4) {
      case 0: {
        std::vector<std::uint8_t> bytes(size);
        for (auto& byte : bytes)
          byte = static_cast<std::uint8_t>(random());
        buffer.append_copy(bytes);
        expected.insert(expected.end(), bytes.begin(), bytes.end());
        break;
      }
      case 1:
        buffer.append_shared(shared, std::span(*shared).first(size));
        expected.insert(expected.end(), shared->begin(), shared->begin() + static_cast<std::ptrdiff_t>(size));
        break;
      case 2: {
        const std::vector<std::uint8_t> ready = unsent_bytes(buffer);
        const std::size_t sent = std::min(size, ready.size());
        ASSERT_TRUE(
            std::equal(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(sent), expected.begin()));
        expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(sent));
        buffer.mark_sent(sent);
        in_flight += sent;
        break;
      }
      default: {
        const std::size_t acknowledged = std::min(size, in_flight);
        buffer.acknowledge(acknowledged);
        in_flight -= acknowledged;
      }
    }
    ASSERT_EQ(buffer.unsent(), expected.size());
    ASSERT_EQ(buffer.size(), expected.size() + in_flight);
  }
}

}  // namespace
}  // namespace knul::quic
