// Long fat paths: neither the receiver's windows nor the sender's buffers may hold a transfer back, and what
// they take stays within the limits and leaves room to others.
#include "world.hpp"

namespace knul::sim {
namespace {

constexpr std::uint64_t kRate = 1'000'000'000;
constexpr base::Duration kRoundTrip = 100ms;
constexpr std::uint64_t kPathBytes = kRate / 8 / 10;  // in flight when the path is full

// 1 Gbit/s, 100 ms, a queue as long as the path.
ClientSetup long_path() {
  ClientSetup setup;
  setup.up.delay = setup.down.delay = kRoundTrip / 2;
  setup.up.rate_bits_per_second = setup.down.rate_bits_per_second = kRate;
  setup.up.queue_bytes = setup.down.queue_bytes = kPathBytes;
  return setup;
}

// What arrives in a second, as a share of what the path carries. Before it the sender has begun as slowly as
// congestion control asks: the path is full after a good second.
template <class Received>
double share_of_the_path(World& world, Received received) {
  world.network.run_for(1500ms);
  const std::uint64_t before = received();
  world.network.run_for(1s);
  return static_cast<double>(received() - before) * 8 / static_cast<double>(kRate);
}

TEST(LongPath, IsFilledUpwards) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client(long_path());
    client.connect({{.upload_bytes = 1'000 * kMegabyte}});
    const auto received = [&] { return world.server.record()->received_bytes; };
    EXPECT_GT(share_of_the_path(world, received), 0.8);
    EXPECT_GT(world.server.sum(&stats::WorkerCounters::receive_window_granted_bytes), kPathBytes);
  });
}

TEST(LongPath, IsFilledDownwards) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client(long_path());
    const ConnectionRecord& record = client.connect({{.answer_bytes = 1'000 * kMegabyte}});
    const auto received = [&] { return record.requests[0].received; };
    EXPECT_GT(share_of_the_path(world, received), 0.8);
  });
}

// The most that a server has in its send buffers while one client downloads for `time`.
std::uint64_t most_buffered(World& world, ClientSetup path, base::Duration time) {
  world.add_client(std::move(path)).connect({{.answer_bytes = 1'000 * kMegabyte}});
  std::uint64_t most = 0;
  const auto look = [&] {
    most = std::max(most, world.server.sum(&stats::WorkerCounters::send_buffer_bytes));
    return false;
  };
  EXPECT_FALSE(world.run_until(look, time));
  return most;
}

// The same on the long path, where a stream's buffer may grow to `limit_bytes`.
void expect_most_buffered(std::uint64_t limit_bytes, std::uint64_t expected_bytes) {
  for_each_seed(1, [=](std::uint64_t seed) {
    World world(seed, {.change = [=](quic::EndpointOptions& options) {
                  options.transport.max_stream_send_buffer_bytes = limit_bytes;
                }});
    EXPECT_EQ(most_buffered(world, long_path(), 2s), expected_bytes);
  });
}

TEST(LongPath, MakesAStreamsSendBufferGrowToItsLimit) { expect_most_buffered(5 << 20, 5 << 20); }

TEST(LongPath, MakesAStreamsSendBufferGrowToThreeQuartersOfItsConnections) {
  expect_most_buffered(16 << 20, 12 << 20);
}

TEST(LongPath, LeavesAStreamsSendBufferThatMayNotGrow) { expect_most_buffered(1 << 20, 1 << 20); }

// 20 Mbit/s and 20 ms hold 50,000 bytes; what stands in the queue, 4 MB of it, needs no memory of the
// sender's.
TEST(LongPath, IsNotAShortOneWithAQueue) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, {.change = [](quic::EndpointOptions& options) {
                  options.transport.stream_send_buffer_bytes = 64 << 10;
                }});
    ClientSetup path;
    path.up.delay = path.down.delay = 10ms;
    path.up.rate_bits_per_second = path.down.rate_bits_per_second = 20'000'000;
    path.up.queue_bytes = path.down.queue_bytes = 4'000'000;
    const std::uint64_t most = most_buffered(world, std::move(path), 20s);
    EXPECT_GE(most, 64U << 10);
    EXPECT_LT(most, 500'000U);
  });
}

// A request is answered beside `bulk` downloads that began before it, on their connection or on one of its
// own.
void expect_room_beside(World& world, std::size_t bulk, bool is_on_their_connection) {
  constexpr Request kLater = {.answer_bytes = 300'000};
  ClientHost& client = world.add_client(long_path());
  ConnectionRecord& record =
      client.connect(std::vector<Request>(bulk, Request{.answer_bytes = 1'000 * kMegabyte}));
  record.requests.reserve(bulk + 1);
  world.network.run_for(2500ms);
  ConnectionRecord* other = &record;
  if (is_on_their_connection) {
    client.request(record, kLater);
  } else {
    other = &world.add_client(long_path()).connect({kLater});
  }
  EXPECT_TRUE(world.run_until([&] { return other->requests.back().is_complete; }, 4s))
      << other->requests.back().received << " bytes of the answer, " << record.requests[0].received
      << " of the first download";
}

TEST(LongPath, LeavesRoomToAStreamThatBeginsBesideOneThatHasGrown) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    expect_room_beside(world, 1, true);
  });
}

// They fill the connection's memory without growing.
TEST(LongPath, LeavesRoomToAStreamThatBeginsBesideManyThatAreFull) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    expect_room_beside(world, 26, true);
  });
}

TEST(LongPath, LeavesRoomToAConnectionThatBeginsBesideOneThatHasGrown) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed,
                {.change = [](quic::EndpointOptions& options) { options.send_buffer_bytes = 8 << 20; }});
    expect_room_beside(world, 1, false);
  });
}

// A download's send buffer has grown when `change` leaves 20 Mbit/s and 100 ms, which hold 250,000 bytes.
void expect_to_shrink_after(std::uint64_t seed, const std::function<void(ClientHost&)>& change) {
  World world(seed);
  ClientHost& client = world.add_client(long_path());
  client.connect({{.answer_bytes = 1'000 * kMegabyte}});
  const auto buffered = [&] { return world.server.sum(&stats::WorkerCounters::send_buffer_bytes); };
  EXPECT_TRUE(world.run_until([&] { return buffered() > 10U << 20; }, 3s)) << buffered();
  client.line().down.options().rate_bits_per_second = 20'000'000;
  change(client);
  EXPECT_TRUE(world.run_until([&] { return buffered() <= 2U << 20; }, 30s)) << buffered();
  EXPECT_FALSE(world.run_until([&] { return buffered() > 2U << 20; }, 20s)) << buffered();
}

TEST(LongPath, LetsSendBuffersShrinkWhenItChanges) {
  for_each_seed(1, [](std::uint64_t seed) {
    expect_to_shrink_after(seed, [](ClientHost& client) {
      client.line().down.options().queue_bytes = 4'000'000;  // all of it in flight, unlike the path
      client.rebind_address();
    });
  });
}

TEST(LongPath, LetsSendBuffersShrinkWhenItGetsNarrow) {
  for_each_seed(1, [](std::uint64_t seed) {
    expect_to_shrink_after(seed,
                           [](ClientHost& client) { client.line().down.options().queue_bytes = 100'000; });
  });
}

// A path of 20 Mbit/s, so that each of a hundred clients would like a window of a few megabytes.
TEST(LongPath, LeavesTheBudgetOfReceiveWindowsUnbroken) {
  static constexpr std::uint64_t kBudget = 4 << 20;
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, {.change = [](quic::EndpointOptions& options) {
                  options.transport.initial_max_data_bytes = 64 << 10;
                  options.transport.initial_max_stream_data_bytes = 64 << 10;
                  options.receive_window_bytes = kBudget;
                }});
    LinkOptions line;
    line.delay = kRoundTrip / 2;
    line.rate_bits_per_second = 20'000'000;
    line.queue_bytes = 500'000;
    for (ClientHost* client : world.add_clients(100, line)) {
      client->connect({{.upload_bytes = kMegabyte}}, WhenDone::kClose);
    }
    std::uint64_t most = 0;
    const auto is_over = [&] {
      const std::uint64_t granted = world.server.sum(&stats::WorkerCounters::receive_window_granted_bytes);
      most = std::max(most, granted);
      return world.count([](const ConnectionRecord& record) { return record.closed.has_value(); }) == 100;
    };
    EXPECT_TRUE(world.run_until(is_over, 60s));
    EXPECT_EQ(world.count([](const ConnectionRecord& record) { return record.is_done(); }), 100U);
    EXPECT_LE(most, kBudget);
    EXPECT_GT(most, kBudget / 2);
    world.network.run_for(1s);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::receive_window_granted_bytes), 0U);
  });
}

}  // namespace
}  // namespace knul::sim
