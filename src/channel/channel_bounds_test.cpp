// The limits of one connection in a channel: blocks of the arena, commands of the program.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <tuple>
#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

// Each stream gets a block of its own for a few bytes, because the program holds them for long.
TEST(ChannelBounds, CountsTheBlocksOfStreamsThatLagInTheShareOfTheirConnection) {
  OneConnection one;
  const std::size_t blocks = one.core().layout.blocks_per_worker;
  const std::vector<std::uint8_t> byte(1);
  for (int round = 0; round < 6; ++round) {
    for (krepis::StreamId id = 0; id < 4 * 100; id += 4) {
      if (round == 0) {
        one.open(id);
      }
      one.worker.receive(one.stream(id), byte, krepis::Fin::kNo);
    }
    one.worker.end_turn();
  }
  const std::size_t free = one.core().free_blocks[0].load();
  EXPECT_GE(free, blocks * 2 / 3 - 2);
  EXPECT_LE(free, blocks * 2 / 3 + 2) << "they do lag";
  RecordingConnection other;
  ConnectionState* const state = one.worker.add_connection(other);
  one.worker.open_stream(*state, other.stream(0));
  one.worker.receive(state_of(other, 0), std::vector<std::uint8_t>(100 << 10), krepis::Fin::kNo);
  EXPECT_EQ(state->parked_bytes, 0U);
}

// Released bytes and blocks no longer count, even if streams lag.
TEST(ChannelBounds, CountsNothingOfAConnectionWhoseBytesAreReleased) {
  OneConnection one;
  const std::vector<std::uint8_t> bytes(3'000);
  for (int round = 0; round < 20; ++round) {
    for (krepis::StreamId id = 0; id < 4 * 10; id += 4) {
      if (round == 0) {
        one.open(id);
      }
      one.worker.receive(one.stream(id), bytes, krepis::Fin::kNo);
    }
    one.worker.end_turn();
  }
  EXPECT_GT(one.state->pinned_blocks, 0U);
  for (int events = 0; events < 1'000 && one.state->unreleased_bytes > 0; ++events) {
    one.release_oldest();
    one.worker.end_turn();
  }
  EXPECT_EQ(one.state->pinned_blocks, 0U);
  EXPECT_EQ(one.state->shared_bytes, 0U);
}

TEST(ChannelBounds, QueuesOfAStreamOneCommandOfEachKindHoweverOftenItIsAsked) {
  OneConnection one;
  one.open(0);
  const std::uint32_t stream = one.stream(0).handle;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    EXPECT_FALSE(one.channel.set_priority(stream, i % 8, i % 2).is_refused());
    EXPECT_FALSE(one.channel.stop_sending(stream, i).is_refused());
    EXPECT_FALSE(one.channel.reset(stream, i).is_refused());
    EXPECT_FALSE(one.channel.close_connection(one.state->handle, i, "over").is_refused());
  }
  EXPECT_EQ(one.core().mailboxes[0].mail.commands.size(), 4U);
  one.worker.end_turn();
  EXPECT_EQ(one.connection.priorities, (std::vector<int>{999 % 8})) << "the last one";
  EXPECT_EQ(one.connection.resets, (std::vector<std::uint64_t>{0})) << "the first one";
  EXPECT_EQ(one.connection.stops, (std::vector<std::uint64_t>{0}));
  EXPECT_EQ(one.connection.close_code, 0U);
  EXPECT_FALSE(one.channel.set_priority(stream, 1, 1).is_refused());
  one.worker.end_turn();
  EXPECT_EQ(one.connection.priorities.back(), 1) << "also after the turn";
}

TEST(ChannelBounds, AsksOnceForRoomForDatagramsUntilThereIsSome) {
  OneConnection one;
  const std::vector<std::uint8_t> byte(1);
  const DatagramSend block{.policy = KREPIS_DATAGRAM_BLOCK};
  for (int i = 0; i < 1'000; ++i) {
    (void)one.channel.send_datagram(one.state->handle, byte, block);
  }
  const auto& commands = one.core().mailboxes[0].mail.commands;
  EXPECT_EQ(commands.size(), one.core().settings.datagram_queue + 1);
  one.worker.end_turn();
  for (int i = 0; i < 1'000; ++i) {
    (void)one.channel.send_datagram(one.state->handle, byte, block);
  }
  EXPECT_EQ(commands.size(), one.core().settings.datagram_queue + 1) << "asked again after the answer";
}

TEST(ChannelBounds, TakesNothingOfAWriteBeyondTheCommandsOfAConnection) {
  OneConnection one;
  std::array<std::uint32_t, 2> streams{};
  for (std::uint32_t i = 0; i < 2; ++i) {
    one.open(4 * i);
    streams[i] = one.stream(4 * i).handle;
  }
  const std::vector<std::uint8_t> byte(1);
  std::size_t taken = 0;
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 20'000; ++i) {  // alternates: consecutive writes to one stream are one command
      taken += static_cast<std::size_t>(one.channel.write(streams[i % 2], byte, 0).number);
    }
    EXPECT_EQ(taken, 4'096U * static_cast<std::size_t>(round));
    EXPECT_LE(one.core().mailboxes[0].mail.commands.size(), 4'096U + 2U);
    one.worker.end_turn();
    EXPECT_EQ(one.connection.written().size(), taken);
    EXPECT_FALSE(one.stream(0).entry->has(Entry::kAwaitsWritable)) << "STREAM_WRITABLE was reported";
  }
}

// The bytes of the arena that another connection of this worker gets.
std::uint64_t bytes_for_another(OneConnection& one) {
  RecordingConnection other;
  ConnectionState* const state = one.worker.add_connection(other);
  one.worker.open_stream(*state, other.stream(0));
  StreamState& stream = state_of(other, 0);
  one.worker.receive(stream, std::vector<std::uint8_t>(1 << 20), krepis::Fin::kNo);
  return stream.unreleased_bytes;
}

// Receives one byte as an event of its own. The program reads the event and does not release it.
void receive_byte(OneConnection& one, StreamState& stream) {
  one.worker.receive(stream, std::vector<std::uint8_t>(1), krepis::Fin::kNo);
  one.worker.end_turn();
  one.read_all();
}

TEST(ChannelBounds, LeavesRoomToOthersBesideStreamsOfPiecesOfAByte) {
  for (const int streams : {1, 10, 100, 1'000}) {
    SCOPED_TRACE(streams);
    OneConnection one(1 << 20);
    std::vector<StreamState*> open;
    for (int i = 0; i < streams; ++i) {
      open.push_back(&one.open(krepis::StreamId{4} * i));
    }
    for (int i = 0; i < 30'000; ++i) {
      receive_byte(one, *open[i % streams]);
    }
    EXPECT_GT(bytes_for_another(one), 64U << 10);
  }
}

TEST(ChannelBounds, LeavesRoomToOthersBesideStreamsThatEndedWithPiecesOfAByte) {
  OneConnection one(1 << 20);
  for (krepis::StreamId id = 0; id < 4 * 1'000; id += 4) {
    StreamState& stream = one.open(id);
    for (int i = 0; i < 5; ++i) {
      receive_byte(one, stream);
    }
    one.worker.handle_reset(stream, 1);
    one.worker.handle_closed(stream);
  }
  EXPECT_GT(bytes_for_another(one), 64U << 10);
}

// As many as are taken in one turn of the worker.
int fill_with_messages(OneConnection& one, std::size_t bytes) {
  int taken = 0;
  while (taken < 1'000 && one.channel.put_log(KREPIS_LOG_INFO, std::string(bytes, 'x'))) {
    ++taken;
  }
  one.worker.end_turn();
  return taken;
}

TEST(ChannelBounds, TakesNoMessageOfTheLogWhenTheProgramReadsTooSlowly) {
  OneConnection one([](Settings& settings) { settings.ring_records = 64; });
  EXPECT_EQ(fill_with_messages(one, 100), 64) << "the mailbox";
  EXPECT_EQ(fill_with_messages(one, 100), 0) << "the ring is full";
  one.read_all();
  one.worker.end_turn();
  EXPECT_EQ(fill_with_messages(one, 100), 64);
}

std::atomic<std::uint64_t> lost_messages{0};

TEST(ChannelBounds, CountsMessagesOfTheLogThatAreLostAfterTheyWereAccepted) {
  OneConnection one([](Settings& settings) {
    settings.on_log_messages_lost = [](std::uint64_t count) noexcept { lost_messages += count; };
  });
  lost_messages = 0;
  EXPECT_EQ(fill_with_messages(one, 12'000), 64);
  EXPECT_EQ(lost_messages, 64U - 5) << "five texts of 12,000 bytes fit into 64 KiB";
  ASSERT_TRUE(one.channel.put_log(KREPIS_LOG_INFO, "{}"));
  std::ignore = one.channel.close();
  one.worker.end_turn();
  EXPECT_EQ(lost_messages, 64U - 5 + 1) << "the worker does not read the mail of a closed channel";
}

TEST(ChannelBounds, HoldsAtMost64KiBOfMessagesThatTheProgramDoesNotRelease) {
  OneConnection one;
  const std::uint32_t before = one.core().free_blocks[0].load();
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(fill_with_messages(one, 12'000), 64);
    one.read_all();
  }
  EXPECT_GE(one.core().free_blocks[0].load() + 3, before);
  OneConnection releases;
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(releases.channel.put_log(KREPIS_LOG_INFO, std::string(12'000, 'x')));
    releases.worker.end_turn();
    releases.release_oldest();  // fails without an event that has bytes
    releases.worker.end_turn();
  }
}

}  // namespace
}  // namespace knul::channel
