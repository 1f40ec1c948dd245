#include "channel/receive_side.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

constexpr std::size_t kArenaBytes = 1 << 20;

// A stream that received more bytes than its connection may hold in the arena.
struct FullArena {
  explicit FullArena(krepis::Fin fin) {
    receiving.receive(stream, std::vector<std::uint8_t>(kArenaBytes), fin);
  }
  // The program reads all events and releases their bytes. Then the worker moves parked bytes.
  void release_all() {
    std::vector<std::uint32_t> offsets;
    for (std::uint32_t i = first; FfiEvent* const event = parts.events.find_unpublished(i); ++i) {
      if (event->length > 0) {
        offsets.push_back(event->offset);
      }
      last = *event;
      first = i + 1;
    }
    parts.read_all();
    for (const std::uint32_t offset : offsets) {
      receiving.release(offset);
    }
    receiving.unpark_all();
  }

  BareWorker parts;
  ReceiveSide receiving{*parts.core, 0, parts.events, parts.states};
  StreamState& stream = parts.add_stream(parts.add_connection(parts.connection));
  std::uint32_t first = 0;
  FfiEvent last{};
};

TEST(ReceiveSide, MovesParkedBytesOnceOthersAreReleased) {
  FullArena full(krepis::Fin::kNo);
  const std::size_t parked = full.stream.parked_bytes();
  ASSERT_GT(parked, 0U);
  full.receiving.unpark_all();
  EXPECT_EQ(full.stream.parked_bytes(), parked);
  full.release_all();
  EXPECT_LT(full.stream.parked_bytes(), parked);
}

TEST(ReceiveSide, ReportsAFinAfterTheBytesThatWereParkedBeforeIt) {
  FullArena full(krepis::Fin::kYes);
  EXPECT_FALSE(full.stream.is_receive_closed);
  for (int i = 0; i < 10 && (full.stream.parked_bytes() > 0 || full.stream.unreleased_bytes > 0); ++i) {
    EXPECT_FALSE((full.last.flags & KREPIS_FLAG_FIN) != 0);
    full.release_all();
  }
  EXPECT_TRUE(full.stream.is_receive_closed);
  EXPECT_NE(full.last.flags & KREPIS_FLAG_FIN, 0U);
}

TEST(ReceiveSide, DropsWhatIsParkedOfAStreamThatWasReset) {
  FullArena full(krepis::Fin::kYes);
  full.receiving.handle_reset(full.stream, 1);
  EXPECT_EQ(full.parts.core->parked_bytes.load(), 0U);
  full.release_all();
  EXPECT_EQ(full.last.type, std::uint32_t{KREPIS_EVENT_STREAM_RESET});
}

TEST(ReceiveSide, StopsAStreamOfThePeerAndReleasesItAtOnce) {
  FullArena full(krepis::Fin::kNo);
  full.receiving.stop(full.stream, 7);
  full.receiving.stop(full.stream, 8);
  EXPECT_EQ(full.parts.connection.stops, (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(full.parts.connection.released, (std::vector<krepis::StreamId>{0}));
  EXPECT_EQ(full.stream.parked_bytes(), 0U);
}

TEST(ReceiveSide, DropsAnEmptyDatagramOnlyWhenTheRingIsFull) {
  FullArena full(krepis::Fin::kNo);
  RecordingConnection other;
  ConnectionState& state = full.parts.add_connection(other);
  while (full.parts.events.backlog() < full.parts.core->layout.ring_records) {
    full.receiving.receive_datagram(state, {});
  }
  EXPECT_EQ(other.datagrams_dropped, 0);
  full.receiving.receive_datagram(state, {});
  EXPECT_EQ(other.datagrams_dropped, 1);
}

}  // namespace
}  // namespace knul::channel
