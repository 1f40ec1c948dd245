#include "channel/state_table.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

// Reports the end of a stream.
void end(BareWorker& parts, const StreamState& stream) {
  parts.events.push(parts.events.make(KREPIS_EVENT_STREAM_CLOSED, stream));
  parts.states.free_when_read(stream.handle);
}

TEST(StateTable, FindsAStateAsWhatItIsOnly) {
  BareWorker parts;
  ConnectionState& state = parts.add_connection(parts.connection);
  const StreamState& stream = parts.add_stream(state);
  EXPECT_EQ(parts.states.find_connection(state.handle), &state);
  EXPECT_EQ(parts.states.find_stream(stream.handle), &stream);
  EXPECT_EQ(parts.states.find_connection(stream.handle), nullptr);
  EXPECT_EQ(parts.states.find_stream(state.handle), nullptr);
}

TEST(StateTable, FreesAStreamWhenItsEndIsReadAndItsRangesAreReleased) {
  BareWorker parts;
  StreamState& stream = parts.add_stream(parts.add_connection(parts.connection));
  const std::uint32_t handle = stream.handle;
  stream.unreleased_ranges = 1;
  end(parts, stream);
  parts.states.run_due();
  EXPECT_FALSE(stream.is_read_to_its_end);
  parts.read_all();
  parts.states.free_entries();
  ASSERT_EQ(parts.states.find_stream(handle), &stream) << "a range is left";
  stream.unreleased_ranges = 0;
  parts.states.free_if_released(stream);
  parts.states.free_entries();
  EXPECT_EQ(parts.states.find_stream(handle), nullptr);
}

TEST(StateTable, FreesAConnectionAfterWhatItsStreamsHold) {
  BareWorker parts;
  ConnectionState& state = parts.add_connection(parts.connection);
  const std::uint32_t handle = state.handle;
  state.unreleased_bytes = 1;
  parts.events.push(parts.events.make(KREPIS_EVENT_CONNECTION_CLOSED, handle));
  parts.states.free_when_read(handle);
  parts.read_all();
  parts.states.free_entries();
  ASSERT_EQ(parts.states.find_connection(handle), &state);
  state.unreleased_bytes = 0;
  parts.states.free_if_released(state);
  parts.states.free_entries();
  EXPECT_EQ(parts.states.find_connection(handle), nullptr);
}

TEST(StateTable, ReleasesAStreamOnceWhenTheProgramHasReadItsFin) {
  BareWorker parts;
  StreamState& stream = parts.add_stream(parts.add_connection(parts.connection), 8);
  parts.events.push(stream, parts.events.make(KREPIS_EVENT_STREAM_DATA, stream));
  parts.states.release_when_read(stream);
  EXPECT_TRUE(parts.states.waits_for_reader());
  EXPECT_TRUE(parts.connection.released.empty());
  parts.read_all();
  EXPECT_FALSE(parts.states.waits_for_reader());
  parts.states.release_when_read(stream);
  parts.read_all();
  EXPECT_EQ(parts.connection.released, (std::vector<krepis::StreamId>{8}));
}

TEST(StateTable, UsesTheMemoryOfAStreamThatEndedForTheNextOne) {
  BareWorker parts;
  ConnectionState& state = parts.add_connection(parts.connection);
  const StreamState& first = parts.add_stream(state, 0);
  end(parts, first);
  parts.read_all();
  parts.states.free_entries();
  const auto other = std::make_unique<StreamState>();  // gets the memory of `first` if the heap has it
  EXPECT_EQ(&parts.add_stream(state, 4), &first);
}

}  // namespace
}  // namespace knul::channel
