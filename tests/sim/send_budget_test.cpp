// Connections that wait for the memory of their worker's send buffers, and have nothing in flight whose
// acknowledgement would wake them.
#include "world.hpp"

namespace knul::sim {
namespace {

constexpr std::uint64_t kBudget = 64 << 10;
constexpr std::size_t kWaiting = 8;
constexpr std::uint64_t kAnswer = 12'000;

// Clients that do not read their answers and together have all of the memory. The first one takes half of it,
// which is its share; the others want no more than they have.
std::vector<ClientHost*> add_holders(World& world) {
  std::vector<std::uint64_t> answers{kBudget};
  answers.insert(answers.end(), 15, 2'000);
  answers.insert(answers.end(), 20, 240);
  std::vector<ClientHost*> holders;
  for (const std::uint64_t answer_bytes : answers) {
    holders.push_back(&world.add_client({.change = [](quic::EndpointOptions& options) {
      options.transport.initial_max_stream_data_bytes = 10;
      options.transport.idle_timeout = 6s;
    }}));
    holders.back()->connect({{.answer_bytes = answer_bytes}}).is_reading = false;
    world.network.run_for(20ms);
  }
  world.network.run_for(100ms);
  return holders;
}

// Some clients have all of the memory and do not read; the others wait. After `release` of the one that has
// most all are answered.
void expect_answers_after(std::uint64_t seed, const std::function<void(ConnectionRecord& holder)>& release,
                          base::Duration limit = 3s) {
  World world(seed, {.change = [](quic::EndpointOptions& options) { options.send_buffer_bytes = kBudget; }});
  const std::vector<ClientHost*> holders = add_holders(world);
  ConnectionRecord& holder = *holders[0]->records()[0];
  std::vector<const ConnectionRecord*> waiting;
  for (ClientHost* other : world.add_clients(kWaiting, {})) {
    waiting.push_back(&other->connect({{.answer_bytes = kAnswer}}));
  }
  const auto answered = [&] { return std::ranges::count_if(waiting, &ConnectionRecord::is_done); };
  world.network.run_for(2s);
  EXPECT_EQ(answered(), 0);
  holders[0]->runner().post([&] { release(holder); });
  EXPECT_TRUE(world.run_until([&] { return answered() == kWaiting; }, limit)) << answered();
}

TEST(SendBudget, GoesToAllThatWaitWhenItIsAcknowledged) {
  for_each_seed(3, [](std::uint64_t seed) {
    expect_answers_after(seed, [](ConnectionRecord& holder) {
      holder.is_reading = true;
      holder.connection->find_stream(0)->consume(10);
    });
  });
}

TEST(SendBudget, GoesToAllThatWaitWhenAConnectionEnds) {
  for_each_seed(3, [](std::uint64_t seed) {
    expect_answers_after(seed, [](ConnectionRecord& holder) { holder.connection->close(0, "enough"); });
  });
}

// Without a packet in or out.
TEST(SendBudget, GoesToAllThatWaitWhenAConnectionTimesOut) {
  for_each_seed(3, [](std::uint64_t seed) {
    expect_answers_after(
        seed, [](ConnectionRecord&) {}, 6s);
  });
}

// A client that does not read its answer.
ClientHost& add_holder(World& world, std::uint64_t answer_bytes) {
  ClientHost& client = world.add_client({.change = [](quic::EndpointOptions& options) {
    options.transport.initial_max_stream_data_bytes = 1'000;
  }});
  client.connect({{.answer_bytes = answer_bytes}}).is_reading = false;
  world.network.run_for(1s);
  return client;
}

// Those that wait without being told of room may go; who waits behind them is served.
void expect_answer_behind_goners(std::uint64_t seed,
                                 const std::function<void(krepis::Connection& goner)>& go) {
  World world(seed, {.change = [](quic::EndpointOptions& options) { options.send_buffer_bytes = kBudget; }});
  ClientHost& holder = *add_holders(world)[0];
  const std::vector<ClientHost*> goners = world.add_clients(kWaiting, {});
  for (ClientHost* goner : goners) {
    goner->connect({{.answer_bytes = kAnswer}});
  }
  world.network.run_for(1s);
  const ConnectionRecord& last = world.add_client().connect({{.answer_bytes = kAnswer}});
  world.network.run_for(1s);
  for (ClientHost* goner : goners) {
    goner->runner().post([&go, goner] { go(*goner->records()[0]->connection); });
  }
  world.network.run_for(1s);
  EXPECT_EQ(last.requests[0].received, 0U);
  holder.runner().post([&] { holder.records()[0]->connection->close(0, "enough"); });
  EXPECT_TRUE(world.run_until_done(last, 1s));
}

TEST(SendBudget, GoesToThoseBehindStreamsThatAreStopped) {
  for_each_seed(3, [](std::uint64_t seed) {
    expect_answer_behind_goners(seed,
                                [](krepis::Connection& goner) { goner.find_stream(0)->stop_sending(1); });
  });
}

TEST(SendBudget, GoesToThoseBehindConnectionsThatEnd) {
  for_each_seed(3, [](std::uint64_t seed) {
    expect_answer_behind_goners(seed, [](krepis::Connection& goner) { goner.close(0, "enough"); });
  });
}

TEST(SendBudget, GoesRoundWhereOneHoldsMostOfIt) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed,
                {.change = [](quic::EndpointOptions& options) { options.send_buffer_bytes = kBudget; }});
    add_holder(world, kBudget - 4'000);
    for (ClientHost* client : world.add_clients(kWaiting, {})) {
      client->connect({{.answer_bytes = kAnswer}});
    }
    const auto answered = [&] { return world.count([](const auto& record) { return record.is_done(); }); };
    EXPECT_TRUE(world.run_until([&] { return answered() == kWaiting; }, 3s)) << answered();
  });
}

// Who wants more than its stream may have does not wait for what all share, and keeps nobody from it.
TEST(SendBudget, IsNotWaitedForByAStreamAtItsOwnLimit) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed, {.change = [](quic::EndpointOptions& options) {
                  options.send_buffer_bytes = kBudget + 500;
                  options.transport.stream_send_buffer_bytes = kBudget;
                }});
    add_holder(world, 2 * kBudget);
    const ConnectionRecord& record = world.add_client().connect({{.answer_bytes = 400}});
    EXPECT_TRUE(world.run_until_done(record, 1s));
  });
}

// A stream's buffer could hold it all.
TEST(SendBudget, SufficesForADownloadThatIsLarger) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed,
                {.change = [](quic::EndpointOptions& options) { options.send_buffer_bytes = kBudget; }});
    const ConnectionRecord& record = world.add_client().connect({{.answer_bytes = kMegabyte}});
    EXPECT_TRUE(world.run_until_done(record, 3s)) << record.requests[0].received;  // 32 round trips of 30 ms
  });
}

constexpr std::size_t kBulk = 12;

// A program that is told of room and, for each `share`th connection, writes when all has been told.
class LateWriter final : public krepis::Application {
 public:
  explicit LateWriter(std::uint64_t share) : share_(share) {}

  void on_start(krepis::Worker& worker) override { inner_.on_start(worker); }
  void on_connection(krepis::Connection& connection) override { inner_.on_connection(connection); }
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override {
    std::erase_if(told_, [&](const auto* told) { return &told->connection() == &connection; });
    inner_.on_connection_closed(connection, reason);
  }
  void on_stream_opened(krepis::Stream& stream) override { inner_.on_stream_opened(stream); }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    inner_.on_stream_data(stream, bytes, fin);
  }
  void on_stream_writable(krepis::Stream& stream) override {
    if (stream.connection().id() % share_ == 0) {
      told_.push_back(&stream);
    } else {
      inner_.on_stream_writable(stream);
    }
  }
  void on_stream_closed(krepis::Stream& stream) override {
    std::erase(told_, &stream);
    inner_.on_stream_closed(stream);
  }
  void on_input_done() override {
    for (krepis::Stream* const stream : std::exchange(told_, {})) {
      inner_.on_stream_writable(*stream);
    }
  }

 private:
  std::uint64_t share_;
  std::vector<krepis::Stream*> told_;
  RequestServer inner_{std::make_shared<ServerRecord>()};
};

// Downloads that want three times the memory, and do not end.
std::vector<ClientHost*> add_bulk(World& world) {
  std::vector<ClientHost*> bulk = world.add_clients(kBulk, {});
  for (ClientHost* client : bulk) {
    client->connect({{.answer_bytes = 1'000 * kMegabyte}});
  }
  return bulk;
}

// With programs that write at once when they are told of room, later, and each for half of the connections;
// where a stream alone could not take all, and where it could.
void for_each_program(unsigned seeds, const std::function<void(World& world)>& scenario) {
  for_each_seed(seeds, [&](std::uint64_t seed) {
    for (const std::uint64_t stream_bytes : {64U << 10, 1U << 20}) {
      for (const std::uint64_t late_share : {0U, 1U, 2U}) {
        SCOPED_TRACE(testing::Message() << stream_bytes << " bytes a stream, late: each " << late_share);
        ServerSetup setup;
        setup.change = [=](quic::EndpointOptions& options) {
          options.send_buffer_bytes = 256 << 10;
          options.transport.stream_send_buffer_bytes = stream_bytes;
        };
        if (late_share > 0) {
          setup.application = [=](unsigned) { return std::make_unique<LateWriter>(late_share); };
        }
        World world(seed, setup);
        scenario(world);
      }
    }
  });
}

TEST(SendBudget, GoesToConnectionsThatBeginBesideDownloadsThatWantMoreThanAll) {
  for_each_program(3, [](World& world) {
    add_bulk(world);
    world.network.run_for(1s);
    for (int i = 0; i < 4; ++i) {
      const ConnectionRecord& late = world.add_client().connect({{.answer_bytes = kAnswer}});
      EXPECT_TRUE(world.run_until_done(late, 500ms)) << late.requests[0].received;
    }
  });
}

TEST(SendBudget, GoesRoundAmongDownloadsThatWantMoreThanAll) {
  for_each_program(3, [](World& world) {
    const std::vector<ClientHost*> bulk = add_bulk(world);
    world.network.run_for(1s);
    for (int i = 0; i < 4; ++i) {
      std::vector<std::uint64_t> before;
      for (const ClientHost* client : bulk) {
        before.push_back(client->records()[0]->requests[0].received);
      }
      world.network.run_for(500ms);
      for (std::size_t k = 0; k < kBulk; ++k) {
        EXPECT_GT(bulk[k]->records()[0]->requests[0].received - before[k], 100'000U) << k;
      }
    }
  });
}

}  // namespace
}  // namespace knul::sim
