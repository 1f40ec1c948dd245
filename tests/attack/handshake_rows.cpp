// Handshakes that nobody means: floods of Initials, connection IDs chosen to collide, storms of connections.
#include <algorithm>
#include <thread>

#include "attack.hpp"
#include "initial_forge.hpp"

namespace knul::attack {
namespace {

// As many as the machine makes, up to `per_second`, from sockets with random ports. Returns how many.
std::uint64_t flood(Attack& attack, const InitialForge& forge, std::uint64_t per_second, std::size_t ports) {
  std::vector<Udp> sockets;
  for (std::size_t i = 0; i < ports; ++i) {
    sockets.emplace_back(static_cast<std::uint16_t>(kAttackerHost + i % 200));
  }
  const Clock::time_point begin = Clock::now();
  std::uint64_t sent = 0;
  while (attack.goes_on()) {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (static_cast<double>(sent) > seconds * static_cast<double>(per_second)) {
      std::this_thread::sleep_for(1ms);
      continue;
    }
    for (int i = 0; i < 16; ++i, ++sent) {
      sockets[random_below(ports)].send(attack.target.address(), forge.make());
    }
  }
  return sent;
}

void flood_initials(Attack& attack) {
  const InitialForge forge("perf");
  const std::uint64_t cap = 4'096;
  const std::uint64_t before = attack.target.statistic("connections_half_open");
  const std::uint64_t sent = flood(attack, forge, 20'000, 256);
  attack.note("Initials a second",
              static_cast<double>(sent) / std::chrono::duration<double>(attack.span()).count());
  attack.at_most("half-open", static_cast<double>(attack.target.statistic("connections_half_open")),
                 static_cast<double>(before + cap));
  attack.note("Retry packets", static_cast<double>(attack.target.statistic("retries_sent")));
}

// One address that answers each Retry, and goes no further. Its ports reach every worker.
void answer_retries(Attack& attack) {
  const InitialForge forge("perf");
  std::vector<Udp> sockets(8);
  const Clock::time_point begin = Clock::now();
  constexpr double kPerSecond = 3'000;
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  while (attack.goes_on()) {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    for (; static_cast<double>(sent) < seconds * kPerSecond; ++sent) {
      sockets[sent % sockets.size()].send(attack.target.address(), forge.make());
    }
    for (const Udp& socket : sockets) {
      while (const auto answer = socket.receive(0ms)) {
        if (const std::optional<Retry> retry = read_retry(*answer)) {
          socket.send(attack.target.address(), forge.make(retry->id, retry->token));
          ++answered;
        }
      }
    }
    std::this_thread::sleep_for(1ms);
  }
  const double seconds = std::chrono::duration<double>(attack.span()).count();
  attack.note("Initials a second", static_cast<double>(sent) / seconds);
  attack.note("Retries answered a second", static_cast<double>(answered) / seconds);
  attack.note("half-open", static_cast<double>(attack.target.statistic("connections_half_open")));
}

// IDs that share all but their last bytes, or their hash under a sum or a mask of their lower bits: what an
// unkeyed table would put into one bucket. Time of the server's process, per Initial, against random ones.

void collide_ids(Attack& attack) {
  const InitialForge forge("no such protocol");
  const Udp socket;
  const std::uint64_t number = attack.count(2'000, 50'000);
  const auto cost = [&](const std::function<Bytes(std::uint64_t)>& id) {
    std::vector<Bytes> datagrams;
    for (std::uint64_t i = 0; i < number; ++i) {
      datagrams.push_back(forge.make(id(i)));
    }
    const std::uint64_t received = attack.target.statistic("packets_received");
    const double before = cpu_seconds_of(attack.target.pid());
    for (std::size_t at = 0; at < datagrams.size(); at += 64) {
      socket.send_all(attack.target.address(),
                      std::span(datagrams).subspan(at, std::min<std::size_t>(64, datagrams.size() - at)));
      std::this_thread::sleep_for(8ms);  // so that the kernel drops few
    }
    const double taken = cpu_seconds_of(attack.target.pid()) - before;
    const auto packets = static_cast<double>(attack.target.statistic("packets_received") - received);
    return taken / std::max(1.0, packets);
  };
  const double random = cost([](std::uint64_t) { return random_bytes(8); });
  const double colliding = cost([](std::uint64_t i) {
    Bytes id;
    append_number(id, i << 40, 8);  // equal lower bytes
    return id;
  });
  attack.note("microseconds for a random ID", random * 1e6);
  attack.at_most("cost of colliding to random IDs", colliding / std::max(random, 1e-9),
                 attack.judges_time() ? 2 : 20);
}

// RFC 9000 §7.2: the first destination connection ID has at least 8 bytes, whatever token comes with it.
void shorten_ids(Attack& attack) {
  const InitialForge forge("perf");
  std::uint64_t answers = 0;
  for (std::size_t bytes = 0; bytes < 8; ++bytes) {
    for (const Bytes& token : {Bytes{}, random_bytes(1), random_bytes(40)}) {
      const Udp socket;
      socket.send(attack.target.address(), forge.make(random_bytes(bytes), token));
      answers += socket.receive(100ms).has_value() ? 1 : 0;
    }
  }
  attack.at_most("answers to IDs below 8 bytes", static_cast<double>(answers), 0);
}

void connect_and_close(Attack& attack) {
  const std::uint64_t connections = attack.count(200, 10'000);
  std::uint64_t completed = 0;
  for (std::uint64_t i = 0; i < connections; ++i) {
    RawConnection client(attack.target.address(), {});
    completed += client.shake_hands() ? 1 : 0;
    client.send(concat({frame::stream(0, 0, perf_request(1'000)), frame::connection_close(0)}));
    client.abandon();
  }
  attack.at_least("handshakes completed", static_cast<double>(completed), static_cast<double>(connections));
  attack.holds("all end soon",
               attack.target.wait([](const nlohmann::json& now) { return now["active_connections"] < 5; }));
}

}  // namespace

void add_handshake_rows(std::vector<Row>& rows) {
  const TargetOptions quick{"perf", {{"handshake_timeout_ms", 3'000}}};
  constexpr std::uint64_t kOfHalfOpen = 256U << 20;  // each keeps some 60 KB until its timeout
  rows.push_back(
      {"handshakes", "short_ids", "first connection IDs of 0 to 7 bytes, with tokens", {}, &shorten_ids});
  rows.push_back({"handshakes",
                  "initials",
                  "20,000 Initials a second from random ports",
                  {},
                  &flood_initials,
                  kOfHalfOpen});
  rows.push_back({"handshakes",
                  "retries",
                  "one address answers 3,000 Retry packets a second and stops there",
                  {"perf", {{"retry", "always"}, {"max_half_open", 1'024}}},
                  &answer_retries,
                  kOfHalfOpen});
  rows.push_back({"handshakes", "colliding_ids", "connection IDs that collide under an unkeyed hash", quick,
                  &collide_ids, kOfHalfOpen});
  rows.push_back({"handshakes",
                  "connect_and_close",
                  "connections that close at once, behind them a program with a "
                  "channel",
                  {"channel", nlohmann::json::object()},
                  &connect_and_close});
}

}  // namespace knul::attack
