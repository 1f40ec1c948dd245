// Answers without a connection, and what a server may send to an address that has not proven itself.
#include <array>
#include <fstream>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "world.hpp"

namespace knul::sim {
namespace {

std::string read_file(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<const quic::TlsServerContext> chain_of(int certificates) {
  const test::TemporaryFolder folder;
  KnulTestCertificateOptions options{};
  options.chain_length = certificates;
  KnulTestCertificateFiles files;
  EXPECT_EQ(knul_test_write_certificates(folder.path().c_str(), "chain", &options, &files), 0);
  const std::string chain = read_file(files.cert_path);
  const std::string key = read_file(files.key_path);
  return *quic::TlsServerContext::create({.pairs = {quic::load_pair({chain, key})}, .alpn = {"knul"}});
}

// Of twelve, the first flight is longer than three Initial packets allow.
ServerSetup with_chain(int certificates) {
  ServerSetup setup;
  setup.change = [tls = chain_of(certificates)](quic::EndpointOptions& options) { options.server_tls = tls; };
  return setup;
}

struct Balance {
  std::uint64_t from_client = 0;
  std::uint64_t to_client = 0;
  std::uint64_t worst_excess = 0;  // beyond three times, RFC 9000 §8.1
  bool is_validated = false;
};

// Watches one client's line for as long as its address is not validated.
std::shared_ptr<Balance> watch_balance(ClientSetup& setup, std::function<bool(std::uint64_t)> drops_up) {
  auto balance = std::make_shared<Balance>();
  setup.up.drops = [balance, drops_up](std::uint64_t index, std::span<const std::uint8_t> bytes) {
    const bool is_dropped = drops_up && drops_up(index);
    balance->from_client += is_dropped ? 0 : bytes.size();
    // Only an Initial proves nothing.
    balance->is_validated = balance->is_validated || (!is_dropped && (bytes[0] & 0xb0) != 0x80);
    return is_dropped;
  };
  setup.down.drops = [balance](std::uint64_t, std::span<const std::uint8_t> bytes) {
    balance->to_client += bytes.size();
    if (!balance->is_validated && balance->to_client > 3 * balance->from_client) {
      balance->worst_excess = std::max(balance->worst_excess, balance->to_client - 3 * balance->from_client);
    }
    return false;
  };
  return balance;
}

// As quic-interop-runner's amplificationlimit.
TEST(Amplification, StaysWithinThreeTimesWhereTheClientIsHardlyHeard) {
  for_each_seed(2, [](std::uint64_t seed) {
    for (const int certificates : {9, 12}) {
      World world(seed, with_chain(certificates));
      ClientSetup setup;
      const auto balance = watch_balance(setup, [](std::uint64_t index) { return index >= 2 && index <= 7; });
      const ConnectionRecord& record = world.add_client(std::move(setup)).connect({});
      EXPECT_TRUE(world.run_until([&] { return record.is_connected; }, 20s)) << certificates;
      EXPECT_EQ(balance->worst_excess, 0U);
      EXPECT_GT(balance->to_client, 3'400U);
    }
  });
}

TEST(Amplification, StaysWithinThreeTimesToAForgedAddress) {
  for_each_seed(2, [](std::uint64_t seed) {
    World world(seed, with_chain(12));
    ClientSetup setup;
    const auto balance = watch_balance(setup, [](std::uint64_t index) { return index >= 2; });
    world.add_client(std::move(setup)).connect({});
    world.network.run_for(20s);
    EXPECT_EQ(balance->worst_excess, 0U);
    EXPECT_EQ(world.server.sum(&stats::WorkerCounters::connections_half_open), 0U);
  });
}

// The CONNECTION_CLOSE counts, too, as often as it is repeated; flights of every length before it.
TEST(Amplification, StaysWithinThreeTimesWhenADrainMeetsAHalfOpenConnection) {
  for_each_seed(12, [](std::uint64_t seed) {
    World world(seed, with_chain(static_cast<int>(seed)));
    ClientSetup setup;
    const auto balance = watch_balance(setup, [](std::uint64_t index) { return index >= 2; });
    world.add_client(std::move(setup)).connect({});
    world.network.run_for(std::chrono::milliseconds(50 + seed % 3 * 1'000));
    world.server.begin_drain(5s);
    EXPECT_TRUE(world.run_until([&] { return world.server.is_stopped(); }, 1s));
    EXPECT_EQ(balance->worst_excess, 0U);
  });
}

// A host that sends what it is told to and keeps what it gets.
class RawHost final : public Receiver {
 public:
  RawHost(World& world, std::uint16_t port) : world_(world), address_(client_address(0)) {
    address_.set_port(port);
    world.network.attach(address_, *this, {}, {});
  }
  void receive(Datagram datagram) override { received.push_back(std::move(datagram.bytes)); }
  void send(std::vector<std::uint8_t> bytes) {
    world_.network.send({address_, world_.server.address(), base::Ecn::kNotEct, std::move(bytes)});
    world_.network.run_for(100ms);
  }
  std::vector<std::vector<std::uint8_t>> received;

 private:
  World& world_;
  base::SocketAddress address_;
};

// RFC 8999 §5.1, of a version that nobody speaks.
std::vector<std::uint8_t> unknown_version(std::size_t dcid_bytes, std::size_t scid_bytes, std::size_t size) {
  std::vector<std::uint8_t> packet{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, static_cast<std::uint8_t>(dcid_bytes)};
  packet.insert(packet.end(), dcid_bytes, 0xd1);
  packet.push_back(static_cast<std::uint8_t>(scid_bytes));
  packet.insert(packet.end(), scid_bytes, 0x51);
  packet.resize(std::max(size, packet.size()));
  return packet;
}

TEST(VersionNegotiation, EchoesIdsOfUpTo255BytesSwapped) {
  for_each_seed(1, [](std::uint64_t seed) {
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{8}, std::size_t{20}, std::size_t{21}, std::size_t{255}}) {
      World world(seed);
      RawHost host(world, 50'000);
      host.send(unknown_version(bytes, bytes / 2, 1'200));
      ASSERT_EQ(host.received.size(), 1U) << bytes;
      const std::vector<std::uint8_t>& answer = host.received[0];
      ASSERT_GE(answer.size(), 7 + bytes + bytes / 2 + 4);
      EXPECT_LE(answer.size(), 1'200U);
      EXPECT_EQ(std::vector<std::uint8_t>(answer.begin() + 1, answer.begin() + 5),
                std::vector<std::uint8_t>(4));
      EXPECT_EQ(answer[5], bytes / 2);
      EXPECT_TRUE(std::all_of(answer.begin() + 6, answer.begin() + 6 + static_cast<std::ptrdiff_t>(bytes / 2),
                              [](std::uint8_t byte) { return byte == 0x51; }));
      EXPECT_EQ(answer[6 + bytes / 2], bytes);
    }
  });
}

TEST(VersionNegotiation, AnswersNothingTooSmallOrFromAReflectionPort) {
  World world(1);
  RawHost host(world, 50'000);
  host.send(unknown_version(8, 8, 1'199));
  host.send(unknown_version(8, 8, 100));
  host.send({});
  host.send({0xc0});
  EXPECT_TRUE(host.received.empty());
  for (const auto port : std::to_array<std::uint16_t>({0, 53, 123})) {
    RawHost reflector(world, port);
    reflector.send(unknown_version(8, 8, 1'200));
    EXPECT_TRUE(reflector.received.empty()) << port;
  }
}

TEST(StatelessReset, IsAlwaysSmallerThanWhatAskedForIt) {
  World world(1);
  RawHost host(world, 50'000);
  for (std::size_t size = 1; size < 120; ++size) {
    host.received.clear();
    host.send(std::vector<std::uint8_t>(size, 0x41));
    for (const auto& answer : host.received) {
      EXPECT_LT(answer.size(), size);
    }
  }
  EXPECT_FALSE(host.received.empty());
}

TEST(StatelessReset, OfARestartedServerEndsTheClientsConnection) {
  for_each_seed(3, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client();
    ConnectionRecord& record = client.connect({{.answer_bytes = 100}, {.answer_bytes = 10 * kMegabyte}});
    ConnectionRecord& other = client.connect({{.answer_bytes = 100}});
    ASSERT_TRUE(world.run_until([&] { return record.completed() == 1 && other.is_done(); }, 5s));
    world.network.run_for(150ms);
    world.server.restart();
    ASSERT_TRUE(world.run_until([&] { return record.closed.has_value(); }, 5s));
    EXPECT_EQ(record.closed->source, krepis::CloseReason::Source::kStatelessReset);
    EXPECT_FALSE(other.closed.has_value());  // it is quiet, and so has asked for none
    EXPECT_GE(world.server.sum(&stats::WorkerCounters::stateless_resets_sent), 1U);
  });
}

TEST(StatelessReset, ForgedWithoutTheTokenChangesNothing) {
  for_each_seed(1, [](std::uint64_t seed) {
    World world(seed);
    ClientHost& client = world.add_client();
    ConnectionRecord& record = client.connect({{.answer_bytes = kMegabyte}});
    for (std::uint8_t i = 0; i < 50; ++i) {
      world.network.run_for(10ms);
      world.network.send({world.server.address(), client.line().outside_address, base::Ecn::kNotEct,
                          std::vector<std::uint8_t>(43, static_cast<std::uint8_t>(0x40 + i))});
    }
    EXPECT_TRUE(world.run_until_done(record, 5s));
  });
}

}  // namespace
}  // namespace knul::sim
