#include "channel/event_writer.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "channel/connection_facts.hpp"
#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

using namespace std::chrono_literals;

TEST(EventWriter, AnnouncesAStreamByItsFirstEvent) {
  BareWorker parts;
  StreamState& stream = parts.add_stream(parts.add_connection(parts.connection), 4);
  const auto flags = [&] {
    const std::uint32_t number =
        parts.events.push(stream, parts.events.make(KREPIS_EVENT_STREAM_DATA, stream));
    return parts.events.find_unpublished(number)->flags;
  };
  EXPECT_EQ(flags(), std::uint32_t{KREPIS_FLAG_OPENED});
  EXPECT_EQ(flags(), 0U);
}

TEST(EventWriter, SaysOfAStreamWhoseItIs) {
  BareWorker parts;
  const ConnectionState& state = parts.add_connection(parts.connection);
  StreamState& stream = parts.add_stream(*parts.states.find_connection(state.handle), 4);
  const FfiEvent event = parts.events.make(KREPIS_EVENT_STREAM_DATA, stream);
  EXPECT_EQ(event.connection, state.handle);
  EXPECT_EQ(event.stream, stream.handle);
  EXPECT_EQ(event.stream_id, 4);
  stream.stream = nullptr;  // it waits for the peer's stream limit
  EXPECT_EQ(parts.events.make(KREPIS_EVENT_STREAM_DATA, stream).stream_id, -1);
}

TEST(EventWriter, HasTheTimeOfTheWorkerUntilThatEnds) {
  BareWorker parts;
  parts.engine_worker.time = 5us;
  EXPECT_EQ(parts.events.make(KREPIS_EVENT_DRAINING, 0U).timestamp_us, 5);
  parts.events.detach();
  EXPECT_GT(parts.events.now(), 5us);
}

TEST(EventWriter, IsOverloadedFrom65536WaitingEvents) {
  BareWorker parts;
  for (int i = 0; i < 65'535; ++i) {
    parts.events.push(parts.events.make(KREPIS_EVENT_DATAGRAM, 1U));
  }
  EXPECT_FALSE(parts.events.is_overloaded());
  parts.events.push(parts.events.make(KREPIS_EVENT_DATAGRAM, 1U));
  EXPECT_TRUE(parts.events.is_overloaded());
}

TEST(EventWriter, LooksAtTheFiguresOfAConnectionTenTimesASecondAtMost) {
  BareWorker parts;
  ConnectionState& state = parts.add_connection(parts.connection);
  const auto window_after = [&](std::chrono::nanoseconds time) {
    ++parts.connection.congestion_window;
    parts.engine_worker.time += time;
    parts.events.refresh_facts(state);
    const std::lock_guard lock(parts.core->mailboxes[0].mutex);
    return state.entry->facts->info.congestion_window_bytes;
  };
  EXPECT_EQ(window_after(0ms), 1U);
  EXPECT_EQ(window_after(99ms), 1U);
  EXPECT_EQ(window_after(1ms), 3U);
}

}  // namespace
}  // namespace knul::channel
