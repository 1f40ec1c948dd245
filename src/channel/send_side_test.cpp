#include "channel/send_side.hpp"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

struct Sending {
  explicit Sending(std::size_t room) { parts.connection.room = room; }
  void write(std::string_view text, krepis::Fin fin = krepis::Fin::kNo) {
    side.write(stream, counted(text), fin);
  }
  void write_shared(std::string_view text, krepis::Fin fin = krepis::Fin::kNo) {
    side.write(stream, parts.core->write_buffers.copy(counted(text)), fin);
  }
  // Counts the bytes as Channel::write does.
  std::span<const std::uint8_t> counted(std::string_view text) {
    stream.entry->queued += static_cast<std::uint32_t>(text.size());
    stream.connection->entry->held_bytes += text.size();
    parts.core->queued_bytes += text.size();
    parts.core->server->writes.take(0, text.size(), text.size());
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  }
  void make_room() {
    parts.connection.room = SIZE_MAX;
    side.flush(stream);
  }

  BareWorker parts;
  SendSide side{*parts.core, parts.core->mailboxes[0], parts.events};
  StreamState& stream = parts.add_stream(parts.add_connection(parts.connection));
};

TEST(SendSide, KeepsInOrderWhatTheConnectionDoesNotTake) {
  Sending sending(2);
  sending.write("abc");
  sending.write_shared("defg");
  sending.write("hi");
  EXPECT_EQ(sending.parts.connection.written(), "ab");
  sending.make_room();
  EXPECT_EQ(sending.parts.connection.written(), "abcdefghi");
  EXPECT_TRUE(sending.stream.pending.empty());
}

TEST(SendSide, SendsAFinOnceAfterAllThatWaits) {
  Sending sending(1);
  sending.write("abc");
  sending.write_shared("def", krepis::Fin::kYes);
  EXPECT_EQ(sending.parts.connection.fins, 0);
  sending.make_room();
  sending.side.flush(sending.stream);
  EXPECT_EQ(sending.parts.connection.written(), "abcdef");
  EXPECT_EQ(sending.parts.connection.fins, 1);
}

TEST(SendSide, ReleasesTheBytesThatTheConnectionAccepts) {
  Sending sending(2);
  sending.write("abc");
  EXPECT_EQ(sending.stream.entry->queued.load(), 1U);
  EXPECT_EQ(sending.stream.connection->entry->held_bytes.load(), 1U);
  EXPECT_EQ(sending.parts.core->queued_bytes.load(), 1U);
  EXPECT_EQ(sending.parts.core->server->writes.used_bytes(), 1U);
}

TEST(SendSide, ReportsRoomWhenHalfOfTheQueueIsFree) {
  const std::size_t limit = 128 << 10;  // the allowance of a connection with a small window
  Sending sending(0);
  sending.write(std::string(limit / 2 + 1, 'x'));
  sending.side.request_writable(sending.stream);
  EXPECT_EQ(sending.parts.events.backlog(), 0U);
  sending.parts.connection.room = 1;
  sending.side.flush(sending.stream);
  ASSERT_EQ(sending.parts.events.backlog(), 1U);
  EXPECT_EQ(sending.parts.events.find_unpublished(0)->type, std::uint32_t{KREPIS_EVENT_STREAM_WRITABLE});
  sending.make_room();
  EXPECT_EQ(sending.parts.events.backlog(), 1U) << "STREAM_WRITABLE was reported once";
}

TEST(SendSide, DropsWhatWaitsOfAStreamThatIsReset) {
  Sending sending(0);
  sending.write("abc");
  sending.side.reset(sending.stream, 7);
  sending.side.reset(sending.stream, 8);
  sending.make_room();
  EXPECT_EQ(sending.parts.connection.written(), "");
  EXPECT_EQ(sending.parts.connection.resets, (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(sending.parts.core->server->writes.used_bytes(), 0U);
  EXPECT_TRUE(sending.stream.entry->has(Entry::kIsSendClosed));
}

}  // namespace
}  // namespace knul::channel
