#include "channel/write_buffers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

namespace knul::channel {
namespace {

// Each byte is written, for a sanitizer to see.
TEST(WriteBuffers, HaveRoomForWhatWasAsked) {
  WriteBuffers buffers;
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::vector<krepis::SharedBytes> held(64);
  for (int step = 0; step < 20'000; ++step) {
    krepis::SharedBytes& one = held[random() % held.size()];
    if (!one.bytes.empty()) {
      const auto expected = static_cast<std::uint8_t>(one.bytes.size());
      ASSERT_TRUE(std::ranges::all_of(one.bytes, [=](std::uint8_t byte) { return byte == expected; }));
    }
    const std::size_t bytes = 1 + random() % (random() % 8 == 0 ? 100'000 : 3'000);
    one = buffers.copy(std::vector<std::uint8_t>(bytes, static_cast<std::uint8_t>(bytes)));
  }
}

TEST(WriteBuffers, StayWhenTheirMakerIsGone) {
  std::optional<WriteBuffers> buffers(std::in_place);
  const std::vector<std::uint8_t> text(5'000, 7);
  const krepis::SharedBytes copy = buffers->copy(text);
  buffers.reset();
  EXPECT_TRUE(std::ranges::equal(copy.bytes, text));
}

TEST(WriteBuffers, MayBeTakenAndGivenBackByDifferentThreads) {
  constexpr std::size_t kRounds = 20'000;
  WriteBuffers buffers;
  std::mutex mutex;
  std::array<std::shared_ptr<std::uint8_t[]>, 16> places;
  const auto work = [&](std::uint8_t number) {
    for (std::size_t round = 0; round < kRounds; ++round) {
      auto buffer = buffers.make(2'000);
      std::ranges::fill(std::span(buffer.get(), 2'000), number);
      const std::lock_guard lock(mutex);
      places[round % places.size()].swap(buffer);  // and the other thread's goes back
    }
  };
  std::thread other(work, std::uint8_t{1});
  work(2);
  other.join();
  for (const auto& place : places) {
    const std::span bytes(place.get(), 2'000);
    EXPECT_TRUE(bytes[0] == 1 || bytes[0] == 2);
    EXPECT_TRUE(std::ranges::all_of(bytes, [first = bytes[0]](std::uint8_t byte) { return byte == first; }))
        << "both threads wrote to one buffer";
  }
}

}  // namespace
}  // namespace knul::channel
