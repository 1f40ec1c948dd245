// Long fat paths: neither the receiver's windows nor the sender's buffers may hold a transfer back, and what
// they take stays within the limits and leaves room to others.
#include "world.hpp"

namespace knul::sim {
namespace {

constexpr base::Duration kRoundTrip = 100ms;
constexpr std::uint64_t kStreamBytes = 100 << 10;  // of a send buffer that has not grown
constexpr std::uint64_t kMostBytes = 1'600 << 10;  // of a stream's and a connection's

struct Path {
  std::uint64_t rate;  // bit/s
  // Of a path of 100 ms with a queue as long as itself.
  [[nodiscard]] std::uint64_t bytes() const { return rate / 8 / 10; }
  [[nodiscard]] ClientSetup setup() const {
    ClientSetup setup;
    setup.up.delay = setup.down.delay = kRoundTrip / 2;
    setup.up.rate_bits_per_second = setup.down.rate_bits_per_second = rate;
    setup.up.queue_bytes = setup.down.queue_bytes = bytes();
    return setup;
  }
};

// What the defaults are made for, and a tenth of it with a tenth of their limits, which is cheaper.
constexpr Path kFullPath{1'000'000'000};
constexpr Path kPath{100'000'000};

void scale_limits(quic::EndpointOptions& options) {
  options.transport.initial_max_data_bytes = 100 << 10;
  options.transport.initial_max_stream_data_bytes = 25 << 10;
  options.transport.max_window_bytes = 2'400 << 10;
  options.transport.max_stream_window_bytes = 1'600 << 10;
  options.transport.stream_send_buffer_bytes = kStreamBytes;
  options.transport.max_stream_send_buffer_bytes = kMostBytes;
  options.transport.connection_send_buffer_bytes = kMostBytes;
  options.send_buffer_bytes = 100 << 20;
}

ClientSetup long_path() {
  ClientSetup setup = kPath.setup();
  setup.change = scale_limits;
  return setup;
}

using Change = std::function<void(quic::EndpointOptions& options)>;

ServerSetup scaled_server(const Change& change = nullptr) {
  return {.change = [=](quic::EndpointOptions& options) {
    scale_limits(options);
    if (change) {
      change(options);
    }
  }};
}

// What arrives in half a second, as a share of what the path carries. Before it the sender has begun as
// slowly as congestion control asks: the path is full after a good second.
template <class Received>
double share_of_the_path(World& world, const Path& path, Received received) {
  world.network.run_for(1500ms);
  const std::uint64_t before = received();
  world.network.run_for(500ms);
  return static_cast<double>(received() - before) * 8 * 2 / static_cast<double>(path.rate);
}

void expect_filled_upwards(World& world, const Path& path, ClientSetup setup) {
  world.add_client(std::move(setup)).connect({{.upload_bytes = 1'000 * kMegabyte}});
  const auto received = [&] { return world.server.record()->received_bytes; };
  EXPECT_GT(share_of_the_path(world, path, received), 0.8);
  EXPECT_GT(world.server.sum(&stats::WorkerCounters::receive_window_granted_bytes), path.bytes());
}

void expect_filled_downwards(World& world, const Path& path, ClientSetup setup) {
  ClientHost& client = world.add_client(std::move(setup));
  const ConnectionRecord& record = client.connect({{.answer_bytes = 1'000 * kMegabyte}});
  const auto received = [&] { return record.requests[0].received; };
  EXPECT_GT(share_of_the_path(world, path, received), 0.8);
}

TEST(LongPath, IsFilledUpwards) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, scaled_server());
    expect_filled_upwards(world, kPath, long_path());
  });
}

TEST(LongPath, IsFilledDownwards) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, scaled_server());
    expect_filled_downwards(world, kPath, long_path());
  });
}

// Not under sanitizers, which make them dear and have seen the same code above.
TEST(LongPath, IsFilledUpwardsWithTheDefaultLimits) {
  if (kIsSanitized) {
    GTEST_SKIP();
  }
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    expect_filled_upwards(world, kFullPath, kFullPath.setup());
  });
}

TEST(LongPath, IsFilledDownwardsWithTheDefaultLimits) {
  if (kIsSanitized) {
    GTEST_SKIP();
  }
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    expect_filled_downwards(world, kFullPath, kFullPath.setup());
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

// The same on the long path.
void expect_most_buffered(const Change& change, std::uint64_t expected_bytes) {
  for_each_seed(1, [&](std::uint64_t seed) {
    World world(seed, scaled_server(change));
    EXPECT_EQ(most_buffered(world, long_path(), 2s), expected_bytes);
  });
}

TEST(LongPath, MakesAStreamsSendBufferGrowToItsLimit) {
  expect_most_buffered(
      [](quic::EndpointOptions& options) { options.transport.max_stream_send_buffer_bytes = 500 << 10; },
      500 << 10);
}

TEST(LongPath, MakesAStreamsSendBufferGrowToThreeQuartersOfItsConnections) {
  expect_most_buffered(nullptr, kMostBytes / 4 * 3);
}

// Half of what is not kept for those that hold hardly anything, see quic/stream/send_budget.hpp.
TEST(LongPath, MakesAStreamsSendBufferGrowToItsShareOfItsWorkers) {
  constexpr std::uint64_t kMemory = 1'000 << 10;
  expect_most_buffered([](quic::EndpointOptions& options) { options.send_buffer_bytes = kMemory; },
                       kMemory / 16 * 15 / 2);
}

TEST(LongPath, LeavesAStreamsSendBufferThatMayNotGrow) {
  expect_most_buffered(
      [](quic::EndpointOptions& options) { options.transport.max_stream_send_buffer_bytes = kStreamBytes; },
      kStreamBytes);
}

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
    const std::uint64_t most = most_buffered(world, std::move(path), 10s);
    EXPECT_GE(most, 64U << 10);
    EXPECT_LT(most, 500'000U);
  });
}

// A request is answered beside `bulk` downloads that began before it, on their connection or on one of its
// own.
void expect_room_beside(World& world, std::size_t bulk, bool is_on_their_connection) {
  constexpr Request kLater = {.answer_bytes = 30'000};
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
    World world(seed, scaled_server());
    expect_room_beside(world, 1, true);
  });
}

// They fill the connection's memory without growing.
TEST(LongPath, LeavesRoomToAStreamThatBeginsBesideManyThatAreFull) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, scaled_server());
    expect_room_beside(world, 26, true);
  });
}

TEST(LongPath, LeavesRoomToAConnectionThatBeginsBesideOneThatHasGrown) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed, scaled_server([](quic::EndpointOptions& options) {
                  options.send_buffer_bytes = kMostBytes / 2;
                }));
    expect_room_beside(world, 1, false);
  });
}

// A download's send buffer has grown when `change` leaves 2 Mbit/s and 100 ms, which hold 25,000 bytes.
void expect_to_shrink_after(std::uint64_t seed, const std::function<void(ClientHost&)>& change) {
  World world(seed, scaled_server());
  ClientHost& client = world.add_client(long_path());
  client.connect({{.answer_bytes = 1'000 * kMegabyte}});
  const auto buffered = [&] { return world.server.sum(&stats::WorkerCounters::send_buffer_bytes); };
  EXPECT_TRUE(world.run_until([&] { return buffered() > 1'000U << 10; }, 3s)) << buffered();
  client.line().down.options().rate_bits_per_second = 2'000'000;
  change(client);
  EXPECT_TRUE(world.run_until([&] { return buffered() <= 2 * kStreamBytes; }, 30s)) << buffered();
  EXPECT_FALSE(world.run_until([&] { return buffered() > 2 * kStreamBytes; }, 20s)) << buffered();
}

TEST(LongPath, LetsSendBuffersShrinkWhenItChanges) {
  for_each_seed(1, [](std::uint64_t seed) {
    expect_to_shrink_after(seed, [](ClientHost& client) {
      client.line().down.options().queue_bytes = 400'000;  // all of it in flight, unlike the path
      client.rebind_address();
    });
  });
}

TEST(LongPath, LetsSendBuffersShrinkWhenItGetsNarrow) {
  for_each_seed(1, [](std::uint64_t seed) {
    expect_to_shrink_after(seed,
                           [](ClientHost& client) { client.line().down.options().queue_bytes = 10'000; });
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
