// The choice of a channel for a new connection, and the detection of a consumer that no longer reads.
#include "channel/application.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <utility>
#include <vector>

#include "channel/worker_part_test_support.hpp"

namespace knul::channel {
namespace {

using namespace std::chrono_literals;

struct Channels {
  explicit Channels(std::size_t count) {
    application.on_start(worker);
    for (std::size_t i = 0; i < count; ++i) {
      channels.push_back(std::make_shared<Channel>(make_core(), std::weak_ptr<Hub>()));
      application.adopt(channels.back());
    }
  }
  ~Channels() {
    for (RecordingConnection& connection : connections) {
      application.on_connection_closed(connection, {});
    }
  }
  // Adds `count` connections. Returns the number of connections of each channel.
  std::vector<std::uint64_t> connect(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      RecordingConnection& connection = connections.emplace_back();
      connection.own_id = connections.size();
      application.on_connection(connection);
    }
    application.on_input_done();
    std::vector<std::uint64_t> result;
    for (const auto& channel : channels) {
      result.push_back(channel->core().connections.load());
    }
    return result;
  }
  void read_all(std::size_t which) {
    auto* const ring = reinterpret_cast<std::uint32_t*>(channels[which]->core().region.data());
    ring[kHeadOffset / sizeof *ring] = ring[kTailOffset / sizeof *ring];
  }

  StubWorker worker;
  Application application{std::make_shared<Hub>(), std::make_shared<WorkerLink>()};
  std::vector<std::shared_ptr<Channel>> channels;
  std::deque<RecordingConnection> connections;
};

using Counts = std::vector<std::uint64_t>;

TEST(Application, GivesConnectionsToTheChannelsInTurn) {
  Channels all(4);
  EXPECT_EQ(all.connect(8), (Counts{2, 2, 2, 2}));
  all.worker.time += 900ms;
  EXPECT_EQ(all.connect(4), (Counts{3, 3, 3, 3})) << "less than a second behind is not behind";
}

TEST(Application, GivesConnectionsToThoseThatKeepUpWhereverTheyAreAmongTheOthers) {
  for (const std::pair<std::size_t, std::size_t> keeping : {std::pair(0, 1), {0, 3}, {1, 2}, {2, 3}}) {
    Channels all(4);
    ASSERT_EQ(all.connect(4), (Counts{1, 1, 1, 1}));
    all.worker.time += 1s;
    all.read_all(keeping.first);
    all.read_all(keeping.second);
    Counts expected{1, 1, 1, 1};
    expected[keeping.first] = expected[keeping.second] = 3;
    EXPECT_EQ(all.connect(4), expected);
  }
}

TEST(Application, GivesConnectionsToAllInTurnWhereNobodyKeepsUp) {
  Channels all(3);
  ASSERT_EQ(all.connect(3), (Counts{1, 1, 1}));
  all.worker.time += 1h;
  EXPECT_EQ(all.connect(3), (Counts{2, 2, 2}));
}

// A channel with an unread CONNECTION_OPENED event.
struct Watched {
  explicit Watched(WakeKind wake = WakeKind::kNone,
                   std::chrono::milliseconds timeout = kPeriods * ConsumerWatch::kPeriod)
      : one([=](Settings& settings) {
          settings.wake = wake;
          settings.consumer_timeout = timeout;
        }) {
    one.channel.describe(region);
    one.worker.end_turn();
  }
  ~Watched() { hang_up(); }
  void hang_up() {
    if (region.wake_fd >= 0)
      ::close(std::exchange(region.wake_fd, -1));
  }
  // True: the channel is still open.
  bool watch(int periods) {
    for (int i = 0; i < periods; ++i) {
      one.worker.watch_consumer();
    }
    return one.core().is_open();
  }

  static constexpr int kPeriods = 5;
  OneConnection one;
  FfiChannelRegion region{};
};

TEST(ChannelWatch, ClosesAChannelThatWasSilentForItsTimeoutAndNotEarlier) {
  Watched all;
  EXPECT_TRUE(all.watch(Watched::kPeriods - 1));
  EXPECT_FALSE(all.watch(1));
  EXPECT_EQ(all.one.core().state(), Core::State::kTimedOut);
}

TEST(ChannelWatch, KeepsAChannelWithoutTimeoutUntilItsWakeSocketIsClosed) {
  Watched all(WakeKind::kSocketPair, Settings::kNoConsumerTimeout);
  EXPECT_TRUE(all.watch(10'000));
  all.hang_up();
  EXPECT_FALSE(all.watch(1));
  EXPECT_EQ(all.one.core().state(), Core::State::kHungUp);
}

}  // namespace
}  // namespace knul::channel
