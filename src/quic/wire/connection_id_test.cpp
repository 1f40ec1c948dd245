#include "quic/wire/connection_id.hpp"

#include <gtest/gtest.h>

#include "quic/wire/seeded_random_test_support.hpp"

namespace knul::quic {
namespace {

TEST(ConnectionIdCodec, PutsTheWorkerIntoEveryIdItMakes) {
  SeededRandom random(1);
  for (unsigned workers : {1U, 2U, 3U, 8U, base::kMostWorkers}) {
    for (unsigned worker = 0; worker < workers; ++worker) {
      const ConnectionIdCodec codec(worker, workers);
      for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(codec.worker_of(codec.generate(random).bytes()), worker);
      }
    }
  }
}

TEST(ConnectionIdCodec, MakesIdsOfTheListenersOneLength) {
  SeededRandom random(1);
  EXPECT_EQ(ConnectionIdCodec(0, 1).generate(random).bytes().size(), ConnectionIdCodec::kLength);
}

TEST(ConnectionId, DiffersFromItsOwnPrefix) {
  const std::array<std::uint8_t, 3> bytes{0, 0, 0};
  EXPECT_FALSE(ConnectionId(std::span(bytes).first(2)) == ConnectionId(bytes));
}

}  // namespace
}  // namespace knul::quic
