// Connections that wait for the memory of their worker's send buffers, and have nothing in flight whose
// acknowledgement would wake them.
#include "world.hpp"

namespace knul::sim {
namespace {

constexpr std::uint64_t kBudget = 64 << 10;
constexpr std::size_t kWaiting = 8;
constexpr std::uint64_t kAnswer =
    12'000;  // less than the room that is worth a wake-up, so that it is taken whole

// One client has all of the memory and does not read; the others wait. After `release` all are answered.
void expect_answers_after(std::uint64_t seed, const std::function<void(ConnectionRecord& holder)>& release,
                          base::Duration limit = 1s) {
  World world(seed, {.change = [](quic::EndpointOptions& options) { options.send_buffer_bytes = kBudget; }});
  ClientSetup setup;
  setup.change = [](quic::EndpointOptions& options) {
    options.transport.initial_max_stream_data_bytes = 1'000;
    options.transport.idle_timeout = 5s;
  };
  ClientHost& client = world.add_client(std::move(setup));
  ConnectionRecord& holder = client.connect({{.answer_bytes = kBudget}});
  holder.is_reading = false;
  world.network.run_for(1s);
  std::vector<const ConnectionRecord*> waiting;
  for (ClientHost* other : world.add_clients(kWaiting, {})) {
    waiting.push_back(&other->connect({{.answer_bytes = kAnswer}}));
  }
  const auto answered = [&] { return std::ranges::count_if(waiting, &ConnectionRecord::is_done); };
  world.network.run_for(2s);
  EXPECT_EQ(answered(), 0);
  client.runner().post([&] { release(holder); });
  EXPECT_TRUE(world.run_until([&] { return answered() == kWaiting; }, limit)) << answered();
}

TEST(SendBudget, GoesToAllThatWaitWhenItIsAcknowledged) {
  for_each_seed(3, [](std::uint64_t seed) {
    expect_answers_after(seed, [](ConnectionRecord& holder) {
      holder.is_reading = true;
      holder.connection->consume(0, 1'000);
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
        seed, [](ConnectionRecord&) {}, 5s);
  });
}

}  // namespace
}  // namespace knul::sim
