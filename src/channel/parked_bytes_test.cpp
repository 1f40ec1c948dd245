#include "channel/parked_bytes.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

constexpr std::uint64_t kMost = 1'600;

struct SmallParking {
  void add(StreamState& stream, std::size_t bytes) {
    parked.add(stream, std::vector<std::uint8_t>(bytes, 7));
  }

  BareWorker parts;
  ParkedBytes parked{parts.states, parts.core->parked_bytes, kMost};
  ConnectionState& state = parts.add_connection(parts.connection);
};

TEST(ParkedBytes, GiveStreamsTheirTurnInTheOrderInWhichTheyCame) {
  SmallParking small;
  StreamState& first = small.parts.add_stream(small.state, 0);
  StreamState& second = small.parts.add_stream(small.state, 4);
  small.add(first, 10);
  small.add(second, 10);
  small.add(first, 10);
  ASSERT_EQ(small.parked.queue_length(), 2U);
  EXPECT_EQ(small.parked.take_turn(), &first);
  small.parked.queue(first);
  EXPECT_EQ(small.parked.take_turn(), &second);
  EXPECT_EQ(small.parked.take_turn(), &first);
}

TEST(ParkedBytes, PassOverAStreamThatEnded) {
  SmallParking small;
  StreamState& stream = small.parts.add_stream(small.state);
  small.add(stream, 10);
  small.parked.drop(stream);
  EXPECT_EQ(small.parked.take_turn(), nullptr);
  small.parked.queue(stream);
  EXPECT_EQ(small.parked.queue_length(), 0U);
}

TEST(ParkedBytes, AreCountedForStreamConnectionAndChannel) {
  SmallParking small;
  StreamState& stream = small.parts.add_stream(small.state);
  small.add(stream, 100);
  small.parked.remove(stream, 30);
  EXPECT_EQ(stream.parked_bytes(), 70U);
  EXPECT_EQ(small.state.parked_bytes, 70U);
  EXPECT_EQ(small.parts.core->parked_bytes.load(), 70U);
  small.parked.drop(stream);
  EXPECT_EQ(small.state.parked_bytes + small.parts.core->parked_bytes.load(), 0U);
}

TEST(ParkedBytes, KeepNoMoreThanTwiceWhatIsLeft) {
  SmallParking small;
  StreamState& stream = small.parts.add_stream(small.state);
  small.add(stream, 1'000);
  for (int i = 0; i < 99; ++i) {
    small.parked.remove(stream, 10);
    EXPECT_LE(stream.parked.size(), 2 * stream.parked_bytes());
  }
}

TEST(ParkedBytes, CostTheConnectionThatHasMostWhenTheyAreTooMany) {
  SmallParking small;
  RecordingConnection other;
  ConnectionState& others = small.parts.add_connection(other);
  StreamState& greedy = small.parts.add_stream(small.state, 0);
  StreamState& modest = small.parts.add_stream(others, 0);
  small.add(greedy, 1'000);
  small.add(modest, 600);
  EXPECT_EQ(small.parts.connection.close_code, 0U);
  small.add(modest, 1);
  EXPECT_EQ(small.parts.connection.close_code, KREPIS_CODE_OVERLOADED);
  EXPECT_TRUE(greedy.is_receive_closed);
  EXPECT_EQ(other.close_code, 0U);
  EXPECT_EQ(small.parts.core->parked_bytes.load(), 601U);
}

TEST(ParkedBytes, ForgetStreamsThatEndedBeforeTheirTurn) {
  SmallParking small;
  StreamState& lasting = small.parts.add_stream(small.state, 0);
  small.add(lasting, 1);
  for (int i = 0; i < 10'000; ++i) {
    StreamState& stream = small.parts.add_stream(small.state, 4);
    small.add(stream, 1);
    small.parked.drop(stream);
    stream.unlink();
  }
  EXPECT_LE(small.parked.queue_length(), 1'100U);
  EXPECT_TRUE(lasting.is_parked);
}

}  // namespace
}  // namespace knul::channel
