// Key updates (RFC 9001 §6) in the middle of transfers. Both directions change their keys at each, whoever
// begins; the server has freed its TLS session by then (docs/decisions/0010).
#include "server/session.hpp"
#include "world.hpp"

namespace knul::sim {
namespace {

enum class Initiator : std::uint8_t { kClient, kServer, kBoth };

// False: the last one is not confirmed yet, or too recent (RFC 9001 §6.1, §6.5).
bool begin_update(krepis::Connection* connection, base::Instant now) {
  auto* session = dynamic_cast<server::Session*>(connection);
  return session != nullptr && session->connection().begin_key_update(now);
}

// Tries again and again while the network runs.
class Updates {
 public:
  Updates(World& world, const ConnectionRecord& record, Initiator initiator)
      : world_(world), record_(record), initiator_(initiator) {
    try_later();
  }
  [[nodiscard]] unsigned begun() const { return begun_; }

 private:
  void try_later() {
    world_.network.after(100ms, [this] {
      try_now();
      try_later();
    });
  }
  void try_now() {
    if (initiator_ != Initiator::kServer) {
      begun_ += begin_update(record_.connection, world_.network.now()) ? 1 : 0;
    }
    const auto& open = world_.server.record()->open;
    if (initiator_ != Initiator::kClient && !open.empty()) {
      begun_ += begin_update(open.begin()->second, world_.network.now()) ? 1 : 0;
    }
  }

  World& world_;
  const ConnectionRecord& record_;
  const Initiator initiator_;
  unsigned begun_ = 0;
};

class KeyUpdate : public testing::TestWithParam<Initiator> {};

std::string name_of_initiator(const testing::TestParamInfo<Initiator>& info) {
  return std::array{"ByTheClient", "ByTheServer", "ByBoth"}[static_cast<std::size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Begun, KeyUpdate,
                         testing::Values(Initiator::kClient, Initiator::kServer, Initiator::kBoth),
                         name_of_initiator);

void expect_updates(std::uint64_t seed, Initiator initiator, const LinkOptions& link, unsigned at_least) {
  World world(seed);
  ClientHost& client = world.add_client({.up = link, .down = link});
  const ConnectionRecord& record =
      client.connect({{.upload_bytes = kMegabyte, .answer_bytes = 2 * kMegabyte}});
  const Updates updates(world, record, initiator);
  EXPECT_TRUE(world.run_until_done(record, 120s)) << record.describe();
  EXPECT_GE(updates.begun(), at_least);
  // The library counts an update when it makes the keys of the next one.
  EXPECT_GE(world.server.sum(&stats::WorkerCounters::key_updates), at_least - 1);
  EXPECT_GE(client.counters().key_updates.load(), at_least - 1);
}

TEST_P(KeyUpdate, DisturbsNoTransferOverACleanPath) {
  for_each_seed(3, [](std::uint64_t seed) {
    LinkOptions link;
    link.rate_bits_per_second = 10'000'000;
    expect_updates(seed, GetParam(), link, 4);
  });
}

TEST_P(KeyUpdate, DisturbsNoTransferThroughLossAndReordering) {
  for_each_seed(3, [](std::uint64_t seed) {
    LinkOptions link;
    link.rate_bits_per_second = 10'000'000;
    link.loss = 0.05;
    link.delayed = 0.05;
    link.duplicated = 0.05;
    expect_updates(seed, GetParam(), link, 4);
  });
}

}  // namespace
}  // namespace knul::sim
