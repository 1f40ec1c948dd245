// The load under which drains are measured (reliability of the drain), and who heard of their end.
#pragma once

#include "world.hpp"

namespace knul::sim {

constexpr std::size_t kRequestsEach = 10;

inline LinkOptions link_of(base::Duration delay, double loss) {
  LinkOptions options;
  options.delay = delay;
  options.loss = loss;
  return options;
}

inline bool is_stopped_before(World& world, base::Duration limit) {
  return world.run_until([&] { return world.server.is_stopped(); }, limit);
}

inline bool is_done(const ConnectionRecord& record) { return record.is_done(); }

inline bool is_closed_with(const ConnectionRecord& record, krepis::LibraryCode code) {
  return record.was_closed_with(krepis::CloseReason::Source::kPeerApplication,
                                static_cast<std::uint64_t>(code));
}

inline bool is_closed_cleanly(const ConnectionRecord& record) {
  return is_closed_with(record, krepis::LibraryCode::kNone);
}

inline bool is_cut(const ConnectionRecord& record) {
  return is_closed_with(record, krepis::LibraryCode::kDeadline);
}

struct Load {
  std::size_t connections = 100;
  LinkOptions link;
};

// Connections first, so that one that needs long does not find the others' requests answered; then ten
// requests of 50 KB on each, which take the server 0.2 to 2 s. Returns when all have reached it, with the
// time that the slowest takes.
inline base::Duration put_under_load(World& world, const Load& load) {
  std::vector<std::pair<ClientHost*, ConnectionRecord*>> clients;
  for (std::size_t i = 0; i < load.connections; ++i) {
    ClientHost& client = world.add_client({.up = load.link, .down = load.link, .change = be_patient});
    std::vector<Request> room;
    room.reserve(kRequestsEach);
    clients.emplace_back(&client, &client.connect(std::move(room)));
  }
  const auto is_connected = [](const auto& client) { return client.second->is_connected; };
  EXPECT_TRUE(world.run_until([&] { return std::ranges::all_of(clients, is_connected); }, 120s));
  std::mt19937_64 random(world.network.next_seed());
  base::Duration slowest{};
  for (const auto& [client, record] : clients) {
    for (std::size_t i = 0; i < kRequestsEach; ++i) {
      const base::Duration delay = std::chrono::milliseconds(200 + random() % 1'801);
      client->request(*record, {.answer_bytes = 50'000, .server_delay = delay});
      slowest = std::max(slowest, delay);
    }
  }
  const std::size_t all = load.connections * kRequestsEach;
  EXPECT_TRUE(world.run_until([&] { return world.server.record()->streams_opened == all; }, 20s));
  return slowest;
}

// Of all seeds together: a close can be lost as often as it is sent.
class Told {
 public:
  void add(std::size_t told, std::size_t clients) {
    missed_ += clients - told;
    clients_ += clients;
  }
  // 99.9 %, and one is nobody's fault.
  void expect_nearly_all() const { EXPECT_LE(missed_, std::max<std::size_t>(1, clients_ / 1'000)); }

 private:
  std::size_t missed_ = 0;
  std::size_t clients_ = 0;
};

}  // namespace knul::sim
