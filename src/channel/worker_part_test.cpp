#include "channel/worker_part.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "channel/application.hpp"
#include "channel/worker_part_test_support.hpp"

namespace {

// The number of the allocation of this thread that fails; 1: the next one, 0: none.
thread_local int until_failure = 0;

}  // namespace

// Not inlined, because gcc would warn of malloc with delete.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  if (until_failure > 0 && --until_failure == 0) {
    throw std::bad_alloc();
  }
  if (void* const memory = std::malloc(bytes)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }

namespace knul::channel {
namespace {

using Direction = krepis::StreamDirection;

// Fails the allocation with that number in the call. True if the call threw std::bad_alloc.
template <class Call>
bool lacks_memory(int allocation, Call call) {
  bool is_thrown = false;
  until_failure = allocation;
  try {
    call();
  } catch (const std::bad_alloc&) {
    is_thrown = true;
  }
  until_failure = 0;
  return is_thrown;
}

TEST(WorkerPart, DropsItsReferenceToAClosedConnectionEvenWithoutMemory) {
  OneConnection one;
  ASSERT_TRUE(lacks_memory(1, [&] { one.worker.close_connection(*one.state, {}); }));
  (void)one.channel.close();
  one.worker.end_turn();
  EXPECT_EQ(one.connection.close_code, 0U);  // the engine has destroyed it
}

TEST(WorkerPart, LimitsUnreleasedIdentitiesToAnEighthOfTheArena) {
  OneConnection one;
  constexpr std::size_t kConnections = 3'000;
  std::vector<RecordingConnection> connections(kConnections);
  std::vector<ConnectionState*> states;
  for (RecordingConnection& connection : connections) {
    states.push_back(one.worker.add_connection(connection));
  }
  std::uint64_t bytes = 0;
  for (const ConnectionState* state : states) {
    bytes += state->unreleased_bytes;
  }
  const std::uint64_t eighth = one.core().layout.blocks_per_worker * kBlockBytes / 8;
  EXPECT_LE(bytes, eighth);
  EXPECT_GT(bytes, eighth - 200);
  EXPECT_FALSE(states.back()->identity_offset.has_value());
}

TEST(WorkerPart, ReportsIdentitiesAgainOnceEarlierOnesAreReleased) {
  OneConnection one;
  std::vector<RecordingConnection> connections(3'000);
  std::vector<std::uint32_t> offsets;
  for (RecordingConnection& connection : connections) {
    if (const auto offset = one.worker.add_connection(connection)->identity_offset) {
      offsets.push_back(*offset);
    }
  }
  one.worker.end_turn();  // only published events can be released; the ring has room for all of them
  EXPECT_FALSE(one.channel.release(offsets).is_refused());
  one.worker.end_turn();
  RecordingConnection late;
  EXPECT_TRUE(one.worker.add_connection(late)->identity_offset.has_value());
}

// The program is always behind: it releases the oldest bytes, new ones arrive, and some stay parked.
TEST(WorkerPart, BoundsTheParkingMemoryOfAStreamThatAlwaysHasParkedBytes) {
  OneConnection one;
  constexpr std::size_t kUnread = 2 << 20;
  StreamState& stream = one.open(0);
  const std::vector<std::uint8_t> bytes(16 << 10);
  std::size_t parked_memory = 0;
  for (std::size_t received = 0; received < 64 * kUnread; received += bytes.size()) {
    one.worker.receive(stream, bytes, krepis::Fin::kNo);
    one.worker.end_turn();
    while (stream.unreleased_bytes + stream.parked_bytes() > kUnread) {
      one.release_oldest();
      one.worker.end_turn();
    }
    parked_memory = std::max(parked_memory, stream.parked.size());
  }
  EXPECT_GT(stream.parked_bytes(), 0U);
  EXPECT_LE(parked_memory, 2 * kUnread + bytes.size());
}

TEST(WorkerPart, RemovesEndedStreamsFromParkingWhileTheArenaStaysFull) {
  OneConnection one;
  const std::vector<std::uint8_t> bytes(32 << 10);
  for (krepis::StreamId id = 0; id < 4 * 10'000; id += 4) {
    StreamState& stream = one.open(id);
    one.worker.receive(stream, bytes, krepis::Fin::kNo);
    one.worker.handle_reset(stream, 1);
    one.worker.handle_closed(stream);
  }
  EXPECT_EQ(one.core().parked_bytes.load(), 0U);
  EXPECT_LE(one.worker.parking_queue_length(), 1'100U);
}

TEST(WorkerPart, CountsADatagramWithoutRoomAsDropped) {
  OneConnection one;
  const std::vector<std::uint8_t> bytes(1'000);
  for (int i = 0; i < 2'000; ++i) {  // more than half of the arena; the program releases none
    one.worker.receive_datagram(*one.state, bytes);
  }
  EXPECT_GT(one.connection.datagrams_dropped, 0);
  EXPECT_EQ(one.core().datagrams_dropped.load(),
            static_cast<std::uint64_t>(one.connection.datagrams_dropped));
}

TEST(WorkerPart, LeavesRoomForOtherConnectionsDuringAFloodOfSmallDatagrams) {
  OneConnection one;
  const std::vector<std::uint8_t> byte(1);
  for (int i = 0; i < 100'000; ++i) {
    one.worker.receive_datagram(*one.state, byte);
  }
  RecordingConnection other;
  ConnectionState* const state = one.worker.add_connection(other);
  ASSERT_NE(state, nullptr);
  for (int i = 0; i < 1'000; ++i) {
    one.worker.receive_datagram(*state, byte);
  }
  EXPECT_EQ(other.datagrams_dropped, 0);
}

// Receives datagrams of that size until one is dropped. Returns the number of accepted datagrams.
int fill_with_datagrams(OneConnection& one, std::size_t bytes) {
  const std::vector<std::uint8_t> datagram(bytes);
  const int before = one.connection.datagrams_dropped;
  int taken = -1;
  for (; one.connection.datagrams_dropped == before; ++taken) {
    one.worker.receive_datagram(*one.state, datagram);
  }
  return taken;
}

// A third of 32,768 is half of the other two thirds. The arena has room for many more.
TEST(WorkerPart, LetsAConnectionHaveAThirdOfTheDatagramsThatMayWaitUntilTheyAreReleased) {
  OneConnection one(64 << 20);
  const int taken = fill_with_datagrams(one, 1);
  EXPECT_NEAR(taken, 32'768 / 3, 3);
  for (int i = 0; i <= taken; ++i) {  // CONNECTION_OPENED also has bytes
    one.worker.end_turn();
    one.release_oldest();
  }
  one.worker.end_turn();
  EXPECT_NEAR(fill_with_datagrams(one, 1), taken, 1);
}

TEST(WorkerPart, LetsAConnectionFillAThirdOfTheArenaWithDatagrams) {
  constexpr int kArena = 1 << 20;
  constexpr int kLarge = 1'000;
  OneConnection of_small, of_large;
  EXPECT_NEAR(fill_with_datagrams(of_small, 1), kArena / static_cast<int>(kGranuleBytes) / 3,
              kArena / 10'000);
  EXPECT_NEAR(kLarge * fill_with_datagrams(of_large, kLarge), kArena / 3, kArena / 20);
}

TEST(WorkerPart, LetsAConnectionFillAThirdOfTheArenaWithStreamsAndParksTheRest) {
  constexpr std::size_t kArena = 1 << 20;
  OneConnection one(kArena);
  const StreamState& stream = one.open(0);
  one.worker.receive(one.stream(0), std::vector<std::uint8_t>(kArena), krepis::Fin::kNo);
  EXPECT_NEAR(static_cast<double>(stream.unreleased_bytes), kArena / 3.0, kArena / 10.0);
  EXPECT_EQ(stream.unreleased_bytes + stream.parked_bytes(), kArena);
}

// The program reads no events.
TEST(WorkerPart, RefusesNewConnectionsAndStreamsOnce65536EventsWait) {
  constexpr std::uint32_t kMost = 65'536;
  OneConnection one;
  RecordingConnection other;
  ConnectionState* const before = one.worker.add_connection(other);
  ASSERT_NE(before, nullptr);
  for (std::uint32_t i = 0; i < 2 * kMost; ++i) {
    one.worker.handle_datagram_fate(*one.state, i, krepis::DatagramFate::kDropped);
    if (i == 1'000) {
      one.worker.end_turn();  // publishes the first events
    }
  }
  one.worker.end_turn();
  EXPECT_LE(one.core().backlogs[0].load(), kMost);
  EXPECT_GT(one.core().backlogs[0].load(), kMost / 2);
  for (std::uint32_t i = 0; i < kMost; ++i) {  // as many as were published fit into the backlog again
    one.worker.handle_datagram_fate(*one.state, i, krepis::DatagramFate::kDropped);
  }
  RecordingConnection late;
  EXPECT_EQ(one.worker.add_connection(late), nullptr);
  EXPECT_EQ(late.close_code, KREPIS_CODE_OVERLOADED);
  one.worker.open_stream(*before, other.stream(0));
  EXPECT_EQ(other.close_code, KREPIS_CODE_OVERLOADED);
  EXPECT_TRUE(before->streams.empty());
}

// The engine destroys a stream after the callback of its end.
TEST(WorkerPart, TouchesNoStreamThatHasEndedForTheEngine) {
  OneConnection one;
  const std::array<StreamState*, 2> streams{&one.open(0), &one.open(4)};
  for (StreamState* const stream : streams) {
    one.worker.receive(*stream, std::vector<std::uint8_t>(100), krepis::Fin::kYes);
  }
  one.worker.end_turn();
  one.worker.handle_closed(*streams[0]);
  EXPECT_EQ(streams[0]->stream, nullptr);
  one.worker.close_connection(*one.state, {});
  EXPECT_EQ(streams[1]->stream, nullptr);
  EXPECT_TRUE(one.state->streams.empty());
  one.worker.end_turn();
  one.read_all();
  one.worker.end_turn();
  EXPECT_TRUE(one.connection.released.empty());
}

TEST(WorkerPart, AcceptsConnectionsDuringAFloodOfEmptyDatagrams) {
  OneConnection one;
  for (int i = 0; i < 100'000; ++i) {
    one.worker.receive_datagram(*one.state, {});
    if (i % 1'000 == 0) {
      one.worker.end_turn();
    }
  }
  RecordingConnection other;
  EXPECT_NE(one.worker.add_connection(other), nullptr);
  EXPECT_GT(one.connection.datagrams_dropped, 0);
}

// A stream without events for 2^32 events has in last_data a number that names another stream's event.
TEST(WorkerPart, AddsNothingToTheEventOfAnotherStreamWithTheSameNumber) {
  OneConnection one;
  FfiChannelRegion region{};
  one.channel.describe(region);
  constexpr std::array<std::uint8_t, 3> kBytes{1, 2, 3};
  one.open(0);
  one.open(4);
  StreamState& silent = one.stream(0);
  silent.last_data = 1;  // after CONNECTION_OPENED
  one.worker.receive(one.stream(4), kBytes, krepis::Fin::kNo);
  one.worker.receive(silent, kBytes, krepis::Fin::kYes);
  one.worker.end_turn();
  FfiEvent events[2];
  std::memcpy(events, region.base + kRingHeaderBytes + kRecordBytes, sizeof events);
  EXPECT_EQ(events[0].stream, one.stream(4).handle);
  EXPECT_EQ(events[0].length, kBytes.size());
  EXPECT_EQ(events[0].flags, KREPIS_FLAG_OPENED);
  EXPECT_EQ(events[1].stream, silent.handle);
  EXPECT_EQ(events[1].length, kBytes.size());
  EXPECT_EQ(events[1].flags, KREPIS_FLAG_OPENED | KREPIS_FLAG_FIN);
}

TEST(Application, KeepsNoConnectionWhoseBeginningFindsNoMemory) {
  bool is_short = true;
  for (int allocation = 1; is_short && allocation < 100; ++allocation) {
    StubWorker engine_worker;
    RecordingConnection connection;
    const auto channel = std::make_shared<Channel>(make_core(), std::weak_ptr<Hub>());
    Application application(std::make_shared<Hub>(), std::make_shared<WorkerLink>());
    application.on_start(engine_worker);
    application.adopt(channel);
    is_short = lacks_memory(allocation, [&] { application.on_connection(connection); });
    if (is_short) {
      application.on_connection_closed(connection, {});
    }
    (void)channel->close();
    application.on_input_done();
    EXPECT_EQ(connection.close_code, is_short ? 0 : KREPIS_CODE_CONSUMER_GONE) << allocation;
  }
  EXPECT_FALSE(is_short);
}

TEST(WorkerPart, NeitherRepeatsNorLeavesOutBytesWhenAWriteFindsNoMemory) {
  OneConnection one;
  one.worker.end_turn();
  const std::uint32_t stream = one.open_for_program();
  const std::uint32_t other = one.open_for_program();
  one.worker.end_turn();
  one.write(stream, "a");
  one.write(other, "b");
  one.connection.fails_next_write = true;
  EXPECT_NO_THROW(one.worker.end_turn());
  EXPECT_EQ(one.connection.close_code, KREPIS_CODE_OVERLOADED);
  one.worker.end_turn();
  EXPECT_EQ(one.connection.written(), "b");
}

TEST(WorkerPart, ChangesNothingThatAConnectionHasTakenOfALongQueue) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  OneConnection one;
  one.worker.end_turn();
  const std::uint32_t stream = one.open_for_program();
  one.state->entry->allowance = 16 << 20;
  std::string expected;
  for (int step = 0; step < 300; ++step) {
    const std::string text(1 + random() % (random() % 4 == 0 ? 20'000 : 600), static_cast<char>(step));
    one.connection.room = random() % 6'000;
    one.write(stream, text);
    expected += text;
    one.worker.end_turn();
    one.connection.room = random() % 3'000;
    one.worker.handle_writable(one.stream(5));
  }
  EXPECT_EQ(one.channel.write(stream, {}, KREPIS_WRITE_FIN).code, krepis::ErrorCode::kSuccess);
  one.worker.end_turn();
  EXPECT_LT(one.connection.written().size(), expected.size());
  one.connection.room = SIZE_MAX;
  one.worker.handle_writable(one.stream(5));
  EXPECT_TRUE(one.connection.written() == expected);
  EXPECT_EQ(one.connection.fins, 1);
}

TEST(WorkerPart, ReportsRoomForEightCongestionWindows) {
  OneConnection one;
  StreamState& stream = one.open(0);
  const std::string text(1 << 20, 'x');
  const auto write = [&] {
    return static_cast<std::uint64_t>(
        one.channel.write(stream.handle, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0)
            .number);
  };
  EXPECT_EQ(write(), WriteBudget::kAllowanceBytes);
  one.connection.congestion_window = 50'000;
  one.connection.room = SIZE_MAX;
  one.worker.end_turn();
  EXPECT_FALSE(stream.wants_writable);
  EXPECT_EQ(write(), 400'000U);
}

TEST(WorkerPart, ReportsRoomOfAStreamAlthoughAnotherUsesTheWholeAllowance) {
  OneConnection one;
  one.open(0);
  one.open(4);
  StreamState& stuck = one.stream(0);
  StreamState& other = one.stream(4);
  const std::vector<std::uint8_t> bytes(1 << 20);
  one.connection.room = 0;
  EXPECT_EQ(one.channel.write(stuck.handle, bytes, 0).number,
            static_cast<std::int32_t>(WriteBudget::kAllowanceBytes));
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(one.channel.write(other.handle, bytes, 0).number,
              static_cast<std::int32_t>(WriteBudget::kStreamAllowanceBytes));
    one.worker.end_turn();
    EXPECT_TRUE(other.wants_writable);
    one.connection.room = WriteBudget::kStreamAllowanceBytes;
    one.worker.handle_writable(other);
    EXPECT_FALSE(other.wants_writable);
    one.connection.room = 0;
  }
  EXPECT_TRUE(stuck.wants_writable);
}

TEST(WorkerPart, ReportsRoomOnceHalfOfAStreamsQueueIsFree) {
  constexpr std::size_t kQueue = 64 << 10;
  OneConnection one([](Settings& settings) { settings.queue_bytes = kQueue; });
  StreamState& stream = one.open(0);
  one.connection.room = 0;
  EXPECT_EQ(one.channel.write(stream.handle, std::vector<std::uint8_t>(2 * kQueue), 0).number,
            static_cast<std::int32_t>(kQueue));
  one.worker.end_turn();
  one.connection.room = kQueue / 2 - 1;
  one.worker.handle_writable(stream);
  EXPECT_TRUE(stream.wants_writable);
  one.connection.room = 1;
  one.worker.handle_writable(stream);
  EXPECT_FALSE(stream.wants_writable);
}

// For each way to end a stream.
TEST(WorkerPart, ReleasesTheQueuedBytesOfAStreamThatEnds) {
  const std::vector<std::function<void(OneConnection&, StreamState&)>> ends{
      [](OneConnection& one, StreamState& stream) { one.worker.handle_stop_sending(stream, 1); },
      [](OneConnection& one, StreamState& stream) { one.worker.handle_closed(stream); },
      [](OneConnection& one, StreamState& stream) {
        EXPECT_FALSE(one.channel.reset(stream.handle, 1).is_refused());
        one.worker.end_turn();
      },
      [](OneConnection& one, StreamState&) { one.worker.close_connection(*one.state, {}); }};
  for (const auto& end : ends) {
    OneConnection one;
    StreamState& stream = one.open(0);
    one.connection.room = 0;
    one.write(stream.handle, std::string(10'000, 'x'));
    one.worker.end_turn();
    one.write(stream.handle, "in the mail");
    EXPECT_EQ(one.core().server->writes.used_bytes(), 10'011U);
    EXPECT_EQ(one.core().queued_bytes.load(), 10'011U);
    end(one, stream);
    one.worker.end_turn();
    EXPECT_EQ(one.core().server->writes.used_bytes(), 0U);
    EXPECT_EQ(one.core().queued_bytes.load(), 0U);
    EXPECT_EQ(one.state->entry->held_bytes.load(), 0U);
  }
}

TEST(WorkerPart, DiscardsBytesThatArriveAfterTheProgramStoppedAStream) {
  OneConnection one;
  StreamState& stream = one.open(0);
  EXPECT_FALSE(one.channel.stop_sending(stream.handle, 1).is_refused());
  one.worker.end_turn();
  one.worker.receive(stream, std::vector<std::uint8_t>(2 << 20), krepis::Fin::kYes);
  EXPECT_FALSE(stream.last_data.has_value());
  EXPECT_EQ(stream.unreleased_bytes + stream.parked_bytes(), 0U);
}

TEST(WorkerPart, DiscardsParkedBytesWhenTheirStreamIsReset) {
  OneConnection one;
  StreamState& stream = one.open(0);
  one.worker.receive(stream, std::vector<std::uint8_t>(2 << 20), krepis::Fin::kYes);
  ASSERT_GT(one.core().parked_bytes.load(), 0U);
  one.worker.handle_reset(stream, 1);
  EXPECT_EQ(one.core().parked_bytes.load(), 0U);
  EXPECT_EQ(one.state->parked_bytes, 0U);
}

TEST(WorkerPart, RefusesStreamsOfTheProgramWhile1024OfAConnectionWaitToBeOpened) {
  OneConnection one;
  const auto open = [&] {
    return one.channel.open_stream(one.state->handle, Direction::kBidirectional).code;
  };
  for (int i = 0; i < 1'024; ++i) {
    ASSERT_EQ(open(), krepis::ErrorCode::kSuccess);
  }
  EXPECT_EQ(open(), krepis::ErrorCode::kConcurrencyLimitExceeded);
  one.worker.end_turn();
  EXPECT_EQ(open(), krepis::ErrorCode::kSuccess);
}

TEST(WorkerPart, CountsTheProgramsDatagramsThatFindNoRoom) {
  OneConnection one([](Settings& settings) { settings.datagram_queue = 2; });
  const std::vector<std::uint8_t> bytes(100);
  const auto send = [&](std::uint32_t policy) {
    DatagramSend wanted{};
    wanted.policy = policy;
    return one.channel.send_datagram(one.state->handle, bytes, wanted).number;
  };
  EXPECT_EQ(send(KREPIS_DATAGRAM_BLOCK) + send(KREPIS_DATAGRAM_BLOCK), 2);
  EXPECT_EQ(send(KREPIS_DATAGRAM_BLOCK), 0);
  for (int i = 2; i < 32; ++i) {  // sixteen times datagram_queue
    EXPECT_EQ(send(KREPIS_DATAGRAM_DROP_NEWEST), 1);
  }
  EXPECT_EQ(one.core().datagrams_dropped.load(), 0U);
  EXPECT_EQ(send(KREPIS_DATAGRAM_DROP_NEWEST), 0);
  EXPECT_EQ(one.core().datagrams_dropped.load(), 1U);
  EXPECT_EQ(one.core().server->datagrams_dropped.load(), 1U);
}

// The next stream uses the memory of a stream that the program has read to its end.
TEST(WorkerPart, BeginsEachStreamAfresh) {
  OneConnection one;
  FfiChannelRegion region{};
  one.channel.describe(region);
  const StreamState* former = nullptr;
  for (krepis::StreamId id = 0; id < 40; id += 4) {
    StreamState& stream = one.open(id);
    EXPECT_TRUE(former == nullptr || &stream == former);
    former = &stream;
    EXPECT_EQ(one.core().table.find(stream.handle), stream.entry);
    EXPECT_FALSE(stream.is_closed || stream.is_announced || stream.is_read_to_its_end ||
                 stream.is_receive_closed || stream.wants_writable);
    EXPECT_TRUE(stream.is_clean && stream.is_retained && stream.pending.empty());
    EXPECT_FALSE(stream.stop_code.has_value() || stream.last_data.has_value());
    one.worker.handle_reset(stream, 1);
    one.worker.handle_closed(stream);
    one.worker.end_turn();
    auto* const ring = reinterpret_cast<std::uint32_t*>(region.base);
    __atomic_store_n(ring + kHeadOffset / sizeof *ring, __atomic_load_n(ring, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
    one.worker.end_turn();
  }
}

// The state that a call of the program may change and that other calls or the worker can see.
struct Footprint {
  explicit Footprint(OneConnection& one)
      : commands(one.core().mailboxes[0].mail.commands.size()),
        bytes(one.core().mailboxes[0].mail.bytes.size()),
        buffers(one.core().mailboxes[0].mail.buffers.size()),
        held(one.state->entry->held_bytes.load()),
        opens(one.state->entry->waiting_opens.load()),
        queued(one.stream(0).entry->queued.load()),
        flags(one.stream(0).entry->flags.load() | one.state->entry->flags.load() << 16),
        priority(one.stream(0).entry->requested_priority.load()),
        budget(one.core().server->writes.used_bytes()) {}
  bool operator==(const Footprint&) const = default;

  std::uint64_t commands, bytes, buffers, held, opens, queued, flags, priority, budget;
};

TEST(ChannelCalls, ChangeNothingWhenTheyFindNoMemory) {
  struct Call {
    const char* name;
    std::function<Outcome(Channel&, std::uint32_t connection, std::uint32_t stream)> make;
  };
  static const std::vector<std::uint8_t> small(100), large(64 << 10), huge(1 << 20);
  const std::vector<Call> calls{
      {"a write", [](Channel& it, auto, auto stream) { return it.write(stream, small, 0); }},
      {"a FIN", [](Channel& it, auto, auto stream) { return it.write(stream, {}, KREPIS_WRITE_FIN); }},
      {"a large write", [](Channel& it, auto, auto stream) { return it.write(stream, large, 0); }},
      {"a partial write", [](Channel& it, auto, auto stream) { return it.write(stream, huge, 0); }},
      {"a reset", [](Channel& it, auto, auto stream) { return it.reset(stream, 1); }},
      {"a stop", [](Channel& it, auto, auto stream) { return it.stop_sending(stream, 1); }},
      {"a priority", [](Channel& it, auto, auto stream) { return it.set_priority(stream, 1, 0); }},
      {"a stream", [](Channel& it, auto connection,
                      auto) { return it.open_stream(connection, Direction::kBidirectional); }},
      {"a datagram",
       [](Channel& it, auto connection, auto) { return it.send_datagram(connection, small, {}); }},
      {"a close", [](Channel& it, auto connection, auto) { return it.close_connection(connection, 1, "x"); }},
  };
  for (const Call& call : calls) {
    bool is_short = true;
    for (int allocation = 1; is_short && allocation < 20; ++allocation) {
      OneConnection one;
      one.open(0);
      const auto make = [&] { return call.make(one.channel, one.state->handle, one.stream(0).handle); };
      const Footprint before(one);
      is_short = lacks_memory(allocation, [&] { ASSERT_FALSE(make().is_refused()); });
      if (is_short) {
        EXPECT_EQ(Footprint(one), before) << call.name << ", allocation " << allocation;
        EXPECT_FALSE(make().is_refused());
      }
      EXPECT_GT(one.core().mailboxes[0].mail.commands.size(), 0U) << call.name;
    }
    EXPECT_FALSE(is_short) << call.name;
  }
}

}  // namespace
}  // namespace knul::channel
