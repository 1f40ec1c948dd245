// A server endpoint with a real connection behind it: the input decides which datagrams it gets and when, raw
// ones and ones whose protection is right and whose content is not.
#include "packet_forge.hpp"
#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace {

using namespace knul;
using namespace std::chrono_literals;
using fuzz::Level;

constexpr int kMaxSteps = 64;

class Attack {
 public:
  Attack() : forge_(pair_.connect()) {
    pair_.server_observer.on_data = [](quic::Connection& connection, quic::Stream& stream, quic::Fin fin) {
      if (quic::is_bidirectional(stream.id)) {
        connection.streams().write_copy(stream, quic::bytes_of("an answer"), fin);
      }
    };
    pair_.drops = [this](std::span<const std::uint8_t>, bool is_from_client) {
      return !is_from_client && has_forged_;
    };
  }

  void step(fuzz::Input& input) {
    switch (input.byte() % 13) {
      case 0:
        return exchange();
      case 1:
        return shake_hands();
      case 2:
        return deliver(input.chunk(), kClientPort);
      case 3:
        return deliver(input.chunk(), static_cast<std::uint16_t>(input.number(2)));
      case 4:
        return forge(Level::kOneRtt, input.chunk());
      case 5:
        return forge(Level::kHandshake, input.chunk());
      case 6:
        return forge(Level::kInitial, input.chunk());
      case 7:
        forged_port_ = static_cast<std::uint16_t>(kClientPort + input.byte() % 4);
        return;
      case 8:
        header_change_ = input.byte();
        return;
      case 9:
        return pass(std::chrono::milliseconds(1) * (1 << input.byte() % 12));
      case 10:
        return act(input.byte(), input.byte());
      case 11:
        is_held_ = true;  // the next forged packet goes into one datagram with the one behind it
        return;
      default:
        return tamper(input.number(2), input.byte());
    }
  }

  // The oracle: whatever came before, another client gets its connection, and then nothing is left.
  void check_server() {
    pair_.drops = {};
    const std::uint64_t before = pair_.server_counters.handshakes_completed.load();
    pair_.connect();
    pair_.advance(1s);
    FUZZ_CHECK(pair_.server_counters.handshakes_completed.load() > before);
    for (quic::Connection* connection : pair_.client_observer.connections) {
      connection->close(0, "");
    }
    pair_.advance(10min);
    const stats::WorkerCounters& counters = pair_.server_counters;
    FUZZ_CHECK(pair_.server->connection_count() == 0 && pair_.server->closing_count() == 0);
    FUZZ_CHECK(counters.connections_half_open.load() == 0);
    FUZZ_CHECK(counters.connections_active.load() == 0 && counters.streams_active.load() == 0);
    FUZZ_CHECK(counters.send_buffer_bytes.load() == 0);
  }

 private:
  static constexpr std::uint16_t kClientPort = 40'000;

  void exchange() {
    pair_.now += 50us;
    pair_.carry(*pair_.client, *pair_.server);
    pair_.carry(*pair_.server, *pair_.client);
    learn();
  }
  void shake_hands() {
    for (int turn = 0; turn < 6 && !has_forged_; ++turn) {
      exchange();
    }
  }
  void learn() {
    pair_.client->for_each_connection([this](quic::Connection& client) { forge_.learn(client); });
  }
  // The server's reaction goes nowhere; the client would end a connection whose packets it does not know.
  void pass(base::Duration duration) {
    const base::Instant end = pair_.now + duration;
    for (int turn = 0; turn < 64 && pair_.server->next_expiry() <= end; ++turn) {
      pair_.now = std::max(pair_.now, pair_.server->next_expiry());
      pair_.server->handle_expiry(pair_.now);
      pair_.carry(*pair_.server, *pair_.client);
    }
    pair_.now = std::max(pair_.now, end);
  }
  void deliver(std::span<const std::uint8_t> datagram, std::uint16_t port) {
    const fuzz::Bytes exact(datagram.begin(), datagram.end());  // so that reading past its end is noticed
    base::Path path = quic::EndpointPair::path();
    base::SocketAddress client = path.local;
    client.set_port(port);
    pair_.now += 10us;
    std::ignore =
        pair_.server->handle_datagram({{path.remote, client}, base::Ecn::kNotEct, exact}, pair_.now);
    pair_.carry(*pair_.server, *pair_.client);
  }
  void forge(Level level, std::span<const std::uint8_t> content) {
    if (!forge_.has_keys(level)) {
      return;
    }
    has_forged_ = true;
    const fuzz::Bytes packet = forge_.make(level, content, std::exchange(header_change_, std::uint8_t{0}));
    held_.insert(held_.end(), packet.begin(), packet.end());
    if (!std::exchange(is_held_, false)) {
      deliver(std::exchange(held_, {}), forged_port_);
    }
  }
  // What the program behind the server does meanwhile.
  void act(std::uint8_t what, std::uint8_t argument) {
    if (pair_.server_observer.connections.empty()) {
      return;
    }
    quic::Connection& connection = *pair_.server_observer.connections.front();
    quic::Stream* const stream = connection.streams().find(argument);
    if (what % 6 == 0) {
      std::ignore = connection.streams().open(argument % 2 == 0 ? quic::StreamDirection::kBidirectional
                                                                : quic::StreamDirection::kUnidirectional);
    } else if (what % 6 == 1) {
      connection.send_datagram(quic::bytes_of(std::string(argument, 'd')));
    } else if (what % 6 == 2 && argument > 0xf0) {
      connection.close(argument, "enough");
    } else if (stream != nullptr && what % 6 == 3) {
      connection.streams().write_copy(*stream, quic::bytes_of(std::string(argument * 64U, 's')),
                                      quic::Fin{argument % 2 == 0});
    } else if (stream != nullptr && what % 6 == 4) {
      connection.streams().reset(*stream, argument);
    } else if (stream != nullptr) {
      connection.streams().stop_sending(*stream, argument);
    }
    pair_.carry(*pair_.server, *pair_.client);
  }
  // One of the client's own packets, damaged.
  void tamper(std::uint64_t place, std::uint8_t change) {
    fuzz::Bytes stolen;
    const auto drops = std::exchange(pair_.drops, [&](std::span<const std::uint8_t> packet, bool) {
      stolen.assign(packet.begin(), packet.end());
      return true;
    });
    pair_.carry(*pair_.client, *pair_.server);
    pair_.drops = drops;
    if (!stolen.empty()) {
      stolen[place % stolen.size()] ^= change;
      deliver(stolen, kClientPort);
    }
  }

  quic::EndpointPair pair_;
  fuzz::PacketForge forge_;
  bool has_forged_ = false;
  bool is_held_ = false;
  fuzz::Bytes held_;
  std::uint8_t header_change_ = 0;
  std::uint16_t forged_port_ = kClientPort;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Attack attack;
  for (int step = 0; step < kMaxSteps && !input.is_empty(); ++step) {
    attack.step(input);
  }
  attack.check_server();
  return 0;
}
