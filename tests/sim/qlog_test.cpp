// The qlog of connections over bad paths, beside the counters and beside what the peers acknowledge. With
// KNUL_QLOG_FOLDER=folder the files are kept there; tests/cli/qlog_schema.py checks them against the format.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "server/session.hpp"
#include "world.hpp"

namespace knul::sim {
namespace {

using Json = nlohmann::json;
using Numbers = std::set<std::uint64_t>;

// Keeps the text of every file.
class QlogTexts final : public base::QlogFiles {
 public:
  std::unique_ptr<base::QlogFile> open(const base::SocketAddress&,
                                       std::span<const std::uint8_t>) noexcept override {
    return std::make_unique<File>(texts_.emplace_back());
  }
  [[nodiscard]] std::uint64_t unix_ms() const noexcept override { return 1'700'000'000'000; }

  // The events of the only connection.
  [[nodiscard]] std::vector<Json> events() const {
    EXPECT_EQ(texts_.size(), 1U);
    std::vector<Json> found;
    std::stringstream lines(texts_.front());
    for (std::string line; std::getline(lines, line);) {
      EXPECT_EQ(line.front(), '\x1e');
      found.push_back(Json::parse(line.substr(1)));
    }
    found.erase(found.begin());  // the header
    return found;
  }
  void keep(const std::string& name) const {
    if (const char* const folder = std::getenv("KNUL_QLOG_FOLDER")) {
      std::ofstream(std::string(folder) + "/" + name + ".sqlog") << texts_.front();
    }
  }

 private:
  class File final : public base::QlogFile {
   public:
    explicit File(std::string& text) : text_(text) {}
    base::QlogOutcome write(std::string_view record) noexcept override {
      text_ += record;
      return base::QlogOutcome::kAccepted;
    }
    void write_last(std::string_view record) noexcept override { text_ += record; }

   private:
    std::string& text_;
  };

  std::deque<std::string> texts_;  // does not move them
};

std::size_t count(const std::vector<Json>& events, const std::string& name) {
  return static_cast<std::size_t>(
      std::ranges::count_if(events, [&](const Json& event) { return event["name"] == name; }));
}

bool has_close(const Json& packet) {
  return std::ranges::any_of(packet["frames"],
                             [](const Json& frame) { return frame["frame_type"] == "connection_close"; });
}

// What the events of one direction say about packets of 1-RTT.
struct Packets {
  const bool is_sent;
  Numbers datagrams;  // without those of a close, which the counters leave out
  Numbers numbers;
  Numbers acknowledged;  // the other direction's
  std::uint64_t bytes = 0;

  Packets(const std::vector<Json>& events, const std::string& name)
      : is_sent(name == "transport:packet_sent") {
    for (const Json& event : events) {
      if (event["name"] == name) {
        add(event["data"]);
      }
    }
  }
  void add(const Json& packet) {
    bytes += packet["raw"]["length"].get<std::uint64_t>();
    if (packet.contains("datagram_id") && !has_close(packet)) {
      datagrams.insert(packet["datagram_id"].get<std::uint64_t>());
    }
    if (packet["header"]["packet_type"] != "1RTT") {
      return;
    }
    const auto number = packet["header"]["packet_number"].get<std::uint64_t>();
    EXPECT_TRUE(numbers.insert(number).second || !is_sent) << number << " twice";
    for (const Json& frame : packet["frames"]) {
      if (frame["frame_type"] == "ack") {
        add_ranges(frame["acked_ranges"]);
      }
    }
  }
  void add_ranges(const Json& ranges) {
    for (const Json& range : ranges) {
      for (auto number = range.front().get<std::uint64_t>(); number <= range.back().get<std::uint64_t>();
           ++number) {
        acknowledged.insert(number);
      }
    }
  }
};

void expect_within(const Numbers& some, const Numbers& all, const char* what) {
  EXPECT_FALSE(some.empty()) << what;
  EXPECT_TRUE(std::ranges::includes(all, some)) << what;
}

// Packet numbers of both sides agree with what the other side acknowledges, datagrams with the counters.
void expect_agreement(const World& world, const std::vector<Json>& events) {
  const Packets sent(events, "transport:packet_sent");
  const Packets received(events, "transport:packet_received");
  expect_within(received.acknowledged, sent.numbers, "the client acknowledges packets that were sent");
  expect_within(sent.acknowledged, received.numbers, "the server acknowledges packets that were received");
  EXPECT_EQ(sent.datagrams.size(), world.server.sum(&stats::WorkerCounters::packets_sent));
  EXPECT_LE(received.datagrams.size(), world.server.sum(&stats::WorkerCounters::packets_received));
  base::Instant::rep last = 0;
  for (const Json& event : events) {
    const auto us = static_cast<base::Instant::rep>(event["time"].get<double>() * 1'000);
    EXPECT_GE(us, last);
    last = us;
  }
}

ClientSetup impaired() {
  ClientSetup setup;
  for (LinkOptions* link : {&setup.up, &setup.down}) {
    link->loss = 0.03;
    link->corrupted = 0.02;
    link->delayed = 0.05;
    link->duplicated = 0.05;
    link->marked_ce = 0.02;
  }
  setup.change = be_patient;
  return setup;
}

struct QlogWorld {
  explicit QlogWorld(std::uint64_t seed)
      : world(seed, {.change = [this](quic::EndpointOptions& options) {
                be_patient(options);
                options.qlog = &qlog;
              }}) {}
  QlogTexts qlog;
  World world;
};

TEST(Qlog, AgreesWithCountersAndAcknowledgementsOverABadPath) {
  for_each_seed(3, [](std::uint64_t seed) {
    QlogWorld logged(seed);
    ClientHost& client = logged.world.add_client(impaired());
    const ConnectionRecord& record = client.connect({{.upload_bytes = kMegabyte, .answer_bytes = kMegabyte}});
    ASSERT_TRUE(logged.world.run_until_done(record, 120s)) << record.describe();
    const std::vector<Json> events = logged.qlog.events();
    expect_agreement(logged.world, events);
    EXPECT_GT(count(events, "transport:packet_dropped"), 0U) << "corrupted packets";
    EXPECT_GT(count(events, "recovery:metrics_updated"), 10U);
    logged.qlog.keep("bad_path_" + std::to_string(seed));
  });
}

TEST(Qlog, HasEachDatagramAndByteOverACleanPath) {
  for_each_seed(1, [](std::uint64_t seed) {
    QlogWorld logged(seed);
    ClientHost& client = logged.world.add_client();
    const ConnectionRecord& record = client.connect({{.upload_bytes = kMegabyte, .answer_bytes = kMegabyte}});
    ASSERT_TRUE(logged.world.run_until_done(record, 60s)) << record.describe();
    logged.world.network.run_for(1s);  // until all has arrived
    const std::vector<Json> events = logged.qlog.events();
    expect_agreement(logged.world, events);
    const Packets received(events, "transport:packet_received");
    EXPECT_EQ(received.datagrams.size(), logged.world.server.sum(&stats::WorkerCounters::packets_received));
    EXPECT_EQ(received.bytes, client.line().up.statistics().entered_bytes);
    EXPECT_EQ(Packets(events, "transport:packet_sent").bytes, client.line().down.statistics().entered_bytes);
    EXPECT_EQ(count(events, "transport:packet_dropped"), 0U);
  });
}

TEST(Qlog, ShowsTheNewPathsOfAMigration) {
  for_each_seed(2, [](std::uint64_t seed) {
    QlogWorld logged(seed);
    ClientSetup setup;
    setup.up.rate_bits_per_second = setup.down.rate_bits_per_second = 10'000'000;
    ClientHost& client = logged.world.add_client(std::move(setup));
    client.rebind_every(500ms, &ClientHost::rebind_address);
    const ConnectionRecord& record = client.connect({{.answer_bytes = 4 * kMegabyte}});
    ASSERT_TRUE(logged.world.run_until_done(record, 120s)) << record.describe();
    const std::vector<Json> events = logged.qlog.events();
    expect_agreement(logged.world, events);
    EXPECT_GT(count(events, "connectivity:path_updated"), 0U);
    for (const Json& event : events) {
      if (event["name"] == "connectivity:path_updated") {
        EXPECT_TRUE(event["data"]["dst_ip"].get<std::string>().starts_with("203.0.113."));
      }
    }
    logged.qlog.keep("migration_" + std::to_string(seed));
  });
}

TEST(Qlog, ShowsBothKeysOfEachUpdateAndWhoBeganIt) {
  for_each_seed(2, [](std::uint64_t seed) {
    for (const bool is_servers : {true, false}) {
      QlogWorld logged(seed);
      ClientHost& client = logged.world.add_client(impaired());
      const ConnectionRecord& record = client.connect({{.answer_bytes = 4 * kMegabyte}});
      const auto is_open = [&] { return !logged.world.server.record()->open.empty(); };
      ASSERT_TRUE(logged.world.run_until(is_open, 60s));
      krepis::Connection* const side =
          is_servers ? logged.world.server.record()->open.begin()->second : record.connection;
      auto& connection = dynamic_cast<server::Session&>(*side).connection();
      ASSERT_TRUE(logged.world.run_until(
          [&] { return connection.begin_key_update(logged.world.network.now()); }, 60s));
      ASSERT_TRUE(logged.world.run_until_done(record, 120s)) << record.describe();
      std::set<std::string> keys;
      for (const Json& event : logged.qlog.events()) {
        if (event["name"] == "security:key_updated") {
          keys.insert(event["data"]["key_type"].get<std::string>());
          EXPECT_EQ(event["data"]["trigger"], is_servers ? "local_update" : "remote_update");
          EXPECT_EQ(event["data"]["generation"], 1U);
          EXPECT_EQ(event["data"]["new"], "") << "keys are secret";
        }
      }
      EXPECT_EQ(keys, (std::set<std::string>{"client_1rtt_secret", "server_1rtt_secret"}));
      logged.qlog.keep("key_update_" + std::to_string(seed));
    }
  });
}

}  // namespace
}  // namespace knul::sim
