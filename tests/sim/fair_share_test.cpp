// What one peer, or one address, takes of what all share costs the others nothing: an honest client beside
// each kind of greedy ones has no failure, and answers about as fast as without them.
#include <algorithm>

#include "world.hpp"

namespace knul::sim {
namespace {

constexpr std::uint64_t kNoProgress = static_cast<std::uint64_t>(krepis::LibraryCode::kNoProgress);

LinkOptions line_of(std::uint64_t bits_per_second) {
  LinkOptions line;
  line.rate_bits_per_second = bits_per_second;
  return line;
}

// 20 requests a second, and a fresh handshake every 20 requests.
class Oracle {
 public:
  static constexpr std::size_t kRequestsPerConnection = 20;
  static constexpr base::Duration kInterval = 50ms;

  Oracle(World& world, std::size_t connections, LinkOptions path = {})
      : world_(world), host_(world.add_client({.up = path, .down = path})), connections_(connections) {}

  void run() {
    for (std::size_t i = 0; i < connections_; ++i) {
      std::vector<Request> requests;
      requests.reserve(kRequestsPerConnection);
      records_.push_back(&host_.connect(std::move(requests), WhenDone::kStay));
      for (std::size_t k = 0; k < kRequestsPerConnection; ++k) {
        asked_at_.push_back(world_.network.now().time_since_epoch());
        host_.request(*records_.back(), {.answer_bytes = 10'000});
        world_.network.run_for(kInterval);
      }
    }
    world_.network.run_for(2s);
  }
  [[nodiscard]] std::size_t failures() const {
    std::size_t failures = 0;
    for (const ConnectionRecord* record : records_) {
      failures += kRequestsPerConnection - record->completed();
    }
    return failures;
  }
  [[nodiscard]] base::Duration p99() const {
    std::vector<base::Duration> took;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      for (std::size_t k = 0; k < records_[i]->requests.size(); ++k) {
        const Request& request = records_[i]->requests[k];
        took.push_back(request.is_complete ? request.completed_at - asked_at_[i * kRequestsPerConnection + k]
                                           : 1h);
      }
    }
    std::ranges::sort(took);
    return took[took.size() * 99 / 100];
  }

 private:
  World& world_;
  ClientHost& host_;
  const std::size_t connections_;
  std::vector<ConnectionRecord*> records_;
  std::vector<base::Duration> asked_at_;
};

constexpr std::size_t kOracleConnections = 6;

void expect_as_fast_as_idle(const Oracle& oracle, std::uint64_t seed, const ServerSetup& setup,
                            LinkOptions path = {}) {
  World idle(seed, setup);
  Oracle undisturbed(idle, kOracleConnections, path);
  undisturbed.run();
  ASSERT_EQ(undisturbed.failures(), 0U);
  EXPECT_EQ(oracle.failures(), 0U);
  EXPECT_LE(oracle.p99(), std::max<base::Duration>(50ms, 5 * undisturbed.p99()))
      << oracle.p99() / 1us << " us, idle " << undisturbed.p99() / 1us << " us";
}

constexpr std::size_t kGreedy = 140;
constexpr std::uint64_t kSendMemory = 64 << 20;

ServerSetup with_send_memory(std::uint64_t bytes = kSendMemory) {
  return {.change = [bytes](quic::EndpointOptions& options) {
    options.send_buffer_bytes = bytes;
    options.transport.connection_send_buffer_bytes = std::max<std::uint64_t>(bytes / 32, 64 << 10);
  }};
}

// Requests for much more than the memory that all share. None of its packets arrive any more after a second.
ConnectionRecord& connect_silent(World& world, ClientHost& host) {
  ConnectionRecord& record = host.connect(std::vector<Request>(16, {.answer_bytes = kMegabyte}));
  world.network.after(1s, [&host] { host.line().up.options().loss = 1; });
  return record;
}

// Never lets its server send more than the first bytes of each answer.
ClientHost& add_zero_window(World& world) {
  ClientHost& host = world.add_client({.change = [](quic::EndpointOptions& options) {
    options.transport.initial_max_stream_data_bytes = 1'000;
  }});
  host.connect(std::vector<Request>(16, {.answer_bytes = kMegabyte})).is_reading = false;
  return host;
}

TEST(FairShare, OfSendMemoryIsLeftBesidePeersThatNeverAcknowledge) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_send_memory());
    for (ClientHost* host : world.add_clients(kGreedy, line_of(2'000'000))) {
      connect_silent(world, *host);
    }
    world.network.run_for(1'200ms);
    const std::uint64_t held = world.server.sum(&stats::WorkerCounters::send_buffer_bytes);
    EXPECT_GT(held, kSendMemory / 2) << "they take what they may have";
    EXPECT_LT(held, kSendMemory) << "and leave some";
    Oracle oracle(world, kOracleConnections);
    oracle.run();
    expect_as_fast_as_idle(oracle, seed, with_send_memory());
    // Those that stood in the way are gone, and no more than they.
    EXPECT_GT(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), 0U);
    EXPECT_LE(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), kGreedy);
    EXPECT_LT(world.server.sum(&stats::WorkerCounters::send_buffer_bytes), kSendMemory * 4 / 5);
  });
}

TEST(FairShare, OfSendMemoryIsLeftBesideOneAddressOfPeersThatNeverAcknowledge) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_send_memory());
    ClientHost& host = world.add_client({.down = line_of(100'000'000)});
    for (std::size_t i = 0; i < kGreedy; ++i) {
      connect_silent(world, host);
    }
    world.network.run_for(1'200ms);
    Oracle oracle(world, kOracleConnections);
    oracle.run();
    expect_as_fast_as_idle(oracle, seed, with_send_memory());
  });
}

TEST(FairShare, OfSendMemoryIsLeftBesidePeersThatAllowNoData) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_send_memory());
    for (std::size_t i = 0; i < kGreedy / 2; ++i) {
      add_zero_window(world);
    }
    world.network.run_for(1s);
    Oracle oracle(world, kOracleConnections);
    oracle.run();
    expect_as_fast_as_idle(oracle, seed, with_send_memory());
    // They acknowledge what they let come, and have longer to think it over than the oracle takes.
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), 0U);
    world.network.run_for(5s);
    EXPECT_GT(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), 0U);
  });
}

// So many that each has little and nothing is free.
TEST(FairShare, OfSendMemoryIsMadeByClosingThoseWithoutProgressWhereNothingIsFree) {
  for_each_seed(2, [](std::uint64_t seed) {
    constexpr std::uint64_t kLittle = 256 << 10;
    World world(seed, with_send_memory(kLittle));
    std::vector<const ConnectionRecord*> silent;
    for (ClientHost* host : world.add_clients(kGreedy, line_of(2'000'000))) {
      silent.push_back(&connect_silent(world, *host));
    }
    world.network.run_for(1'200ms);
    EXPECT_GE(world.server.sum(&stats::WorkerCounters::send_buffer_bytes), kLittle * 7 / 8);
    world.network.run_for(2s);
    Oracle oracle(world, kOracleConnections);
    oracle.run();
    expect_as_fast_as_idle(oracle, seed, with_send_memory(kLittle));
    // What they would be told.
    const auto& closed = world.server.record()->closed;
    EXPECT_TRUE(std::ranges::any_of(closed, [](const krepis::CloseReason& reason) {
      return reason.source == krepis::CloseReason::Source::kLocalApplication && reason.code == kNoProgress;
    }));
  });
}

TEST(FairShare, OfSendMemoryClosesNobodyThatReadsSlowly) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_send_memory(512 << 10));
    std::vector<const ConnectionRecord*> slow;
    for (ClientHost* host : world.add_clients(8, line_of(200'000))) {
      slow.push_back(&host->connect(std::vector<Request>(4, {.answer_bytes = 200'000})));
    }
    EXPECT_TRUE(world.run_until([&] { return std::ranges::all_of(slow, &ConnectionRecord::is_done); }, 120s));
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), 0U);
  });
}

TEST(FairShare, OfSendMemoryClosesNobodyWhileThereIsEnough) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_send_memory(128 << 20));
    for (ClientHost* host : world.add_clients(4, line_of(2'000'000))) {
      connect_silent(world, *host);
    }
    world.network.run_for(20s);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), 0U);
  });
}

constexpr std::uint64_t kHalfOpen = 64;

ServerSetup with_half_open(std::uint64_t most = kHalfOpen) {
  return {.change = [most](quic::EndpointOptions& options) { options.max_half_open = most; }};
}

// An address that answers each Retry and then says nothing more, 48 times a second.
void flood_with_half_open(World& world, unsigned count) {
  ClientSetup setup;
  setup.down.drops = [](std::uint64_t, std::span<const std::uint8_t> bytes) {
    return (bytes[0] & 0xf0) != 0xf0;
  };
  ClientHost& host = world.add_client(std::move(setup));
  for (unsigned i = 0; i < count; ++i) {
    world.network.after(i * 1s / 48, [&host] { host.connect({}); });
  }
}

TEST(FairShare, OfHalfOpenHandshakesIsLeftToOthersThanOneAddress) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_half_open());
    flood_with_half_open(world, 48 * 20);
    world.network.run_for(5s);
    std::vector<const ConnectionRecord*> honest;
    LinkOptions far;
    far.delay = 450ms;
    for (ClientHost* host : world.add_clients(6, far)) {
      honest.push_back(&host->connect({{.answer_bytes = 1'000}}));
    }
    EXPECT_TRUE(world.run_until([&] { return std::ranges::all_of(honest, &ConnectionRecord::is_done); }, 8s));
    EXPECT_LE(world.server.sum(&stats::WorkerCounters::connections_half_open), kHalfOpen);
    EXPECT_GT(world.server.sum(&stats::WorkerCounters::handshakes_failed_evicted), 0U);
    Oracle oracle(world, kOracleConnections);
    oracle.run();
    expect_as_fast_as_idle(oracle, seed, with_half_open());
  });
}

// All at once, and more than an address may have under way. Over the longer path each has its place for
// nearly the second in which it keeps it.
TEST(FairShare, OfHalfOpenHandshakesLetsClientsOfOneAddressInOneAfterTheOther) {
  for (const base::Duration delay : {base::Duration(5ms), base::Duration(450ms)}) {
    SCOPED_TRACE(testing::Message() << delay / 1ms << " ms each way");
    for_each_seed(2, [delay](std::uint64_t seed) {
      World world(seed, with_half_open());
      LinkOptions path;
      path.delay = delay;
      ClientHost& host = world.add_client({.up = path, .down = path});
      std::vector<const ConnectionRecord*> all;
      for (std::uint64_t i = 0; i < 2 * kHalfOpen; ++i) {
        all.push_back(&host.connect({{.answer_bytes = 10}}));
      }
      EXPECT_TRUE(world.run_until([&] { return std::ranges::all_of(all, &ConnectionRecord::is_done); }, 10s));
      EXPECT_EQ(world.server.sum(&stats::WorkerCounters::handshakes_failed_evicted), 0U);
      EXPECT_GT(world.server.sum(&stats::WorkerCounters::packets_dropped_half_open_share), 0U);
    });
  }
}

constexpr std::uint64_t kConnections = 40;

TEST(FairShare, OfConnectionsIsMadeByClosingAnIdleOneOfTheAddressThatHasMost) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed,
                {.change = [](quic::EndpointOptions& options) { options.max_connections = kConnections; }});
    ClientHost& many = world.add_client();
    std::vector<const ConnectionRecord*> held;
    for (std::uint64_t i = 0; i < kConnections; ++i) {
      held.push_back(&many.connect({{.answer_bytes = 10}}));
    }
    world.network.run_for(3s);
    ASSERT_EQ(world.server.sum(&stats::WorkerCounters::connections_active), kConnections)
        << "one may have all";
    const ConnectionRecord& same = many.connect({});
    world.network.run_for(1s);
    EXPECT_TRUE(same.closed.has_value() && !same.is_connected) << "but no more";
    const ConnectionRecord& other = world.add_client().connect({{.answer_bytes = 10}});
    EXPECT_TRUE(world.run_until_done(other, 3s)) << other.describe();
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_closed_no_progress), 1U);
    world.network.run_for(1s);
    EXPECT_EQ(std::ranges::count_if(held,
                                    [](const ConnectionRecord* record) {
                                      return record->was_closed_with(
                                          krepis::CloseReason::Source::kPeerApplication, kNoProgress);
                                    }),
              1);
  });
}

}  // namespace
}  // namespace knul::sim
