// Source addresses that are not the sender's: spoofing, amplification, reflection.
#include <algorithm>
#include <array>

#include "attack.hpp"
#include "initial_forge.hpp"

namespace knul::attack {
namespace {

// A genuine packet, sent on by somebody else from another address.
void spoof(Attack& attack) {
  RawOptions options;
  options.acknowledges = true;
  RawConnection client(attack.target.address(), options);
  attack.holds("the handshake completes", client.shake_hands());
  const Udp forged(kAttackerHost + 7);
  const std::uint64_t migrations = attack.target.statistic("path_migrations");
  const std::uint64_t copies = attack.count(50, 1'000);
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  for (std::uint64_t i = 0; i < copies; ++i) {
    const Bytes packet = client.make(Level::kOneRtt, frame::ping());
    forged.send(attack.target.address(), packet);
    sent += packet.size();
    while (const auto answer = forged.receive(1ms)) {
      answered += answer->size();
    }
    client.drain();
  }
  while (const auto answer = forged.receive(200ms)) {
    answered += answer->size();
  }
  attack.at_most("bytes to the forged address for each of its own",
                 static_cast<double>(answered) / static_cast<double>(sent), 3);
  attack.equals("migrations", std::to_string(attack.target.statistic("path_migrations") - migrations), "0");
  client.send(frame::stream(0, 0, perf_request(1'000), true));
  attack.holds("the connection still works", client.wait([&] { return client.streams[0].has_fin; }));
}

// A client that says hello and no more, from an address that never answers.
void amplify(Attack& attack) {
  const InitialForge forge("perf");
  const Udp socket(kAttackerHost + 8);
  const std::uint64_t hellos = attack.count(20, 1'000);
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  const auto take = [&](std::chrono::milliseconds patience) {
    while (const auto answer = socket.receive(patience)) {
      answered += answer->size();
    }
  };
  for (std::uint64_t i = 0; i < hellos; ++i) {
    const Bytes packet = forge.make();
    socket.send(attack.target.address(), packet);
    sent += packet.size();
    take(0ms);
  }
  take(1s);
  attack.at_most("bytes for each of its own", static_cast<double>(answered) / static_cast<double>(sent), 3);
}

// What leads to no connection is answered by less than it brought, and at a bounded rate.
void reflect_stateless(Attack& attack) {
  const Udp socket(kAttackerHost + 9);
  std::array<std::uint64_t, 3> sent{};
  std::array<std::uint64_t, 3> answered{};
  std::uint64_t larger = 0;
  const std::uint64_t rounds = attack.count(1'000, 50'000);
  const std::array<const char*, 3> names{"Stateless Reset", "Version Negotiation", "Retry or refusal"};
  for (std::size_t kind = 0; kind < 3; ++kind) {
    for (std::uint64_t i = 0; i < rounds; ++i) {
      Bytes packet = random_bytes(kind == 0 ? 30 + random_below(60) : 1'200);
      packet[0] = kind == 0 ? 0x40 : 0xc0;
      if (kind > 0) {
        // A version that nobody has, or the one that the server has with a payload that it cannot read.
        const Bytes head{0xc0, 0, 0, 0, static_cast<std::uint8_t>(kind == 1 ? 99 : 1), 8};
        std::ranges::copy(head, packet.begin());
        packet[14] = 8;
      }
      socket.send(attack.target.address(), packet);
      sent[kind] += packet.size();
      while (const auto answer = socket.receive(0ms)) {
        answered[kind] += answer->size();
        larger += answer->size() >= packet.size() && kind == 0 ? 1 : 0;
      }
    }
    while (const auto answer = socket.receive(100ms)) {
      answered[kind] += answer->size();
    }
    attack.at_most(std::string(names[kind]) + ": bytes for each of its own",
                   static_cast<double>(answered[kind]) / static_cast<double>(sent[kind]), kind == 2 ? 3 : 1);
  }
  attack.note("resets as large as their trigger", static_cast<double>(larger));
}

// Packets for a connection that the server has closed: the close is repeated to the 1st, 2nd, 4th, 8th, ...
// of them.
void knock_on_closed(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  attack.holds("the handshake completes", client.shake_hands());
  client.send(frame::handshake_done());
  attack.equals("close", to_text(client.wait_close()), "0xa");
  client.drain();
  const std::uint64_t before = client.datagrams_read;
  const std::uint64_t knocks = attack.count(2'000, 100'000);
  for (std::uint64_t i = 0; i < knocks; ++i) {
    client.send(frame::ping());
    client.drain();
  }
  client.read(200ms);
  client.drain();
  attack.note("packets", static_cast<double>(knocks));
  // Stateless Resets follow when the entry is gone, at their own rate.
  attack.at_most("answers", static_cast<double>(client.datagrams_read - before),
                 20 + 500 * (attack.is_full() ? 30 : 5));
}

// Hands each datagram that one server sends to this socket to the other server: what two servers would do
// whose addresses somebody forged. Returns the datagrams that it took until there was silence.
std::uint64_t loop(Address left, Address right, const Bytes& first) {
  const Udp from_left(kAttackerHost + 10);   // is the right server, for the left one
  const Udp from_right(kAttackerHost + 11);  // the other way round
  from_left.send(left, first);
  std::uint64_t datagrams = 0;
  Clock::time_point last = Clock::now();
  while (Clock::now() - last < 700ms && datagrams < 10'000) {
    for (const auto& [in, out, to] :
         {std::tuple(&from_left, &from_right, right), std::tuple(&from_right, &from_left, left)}) {
      if (const auto datagram = in->receive(5ms)) {
        out->send(to, *datagram);
        ++datagrams;
        last = Clock::now();
      }
    }
  }
  return datagrams;
}

// A server that faces one that sends everything back.
std::uint64_t echo(Address server, const Bytes& first) {
  const Udp socket(kAttackerHost + 12);
  socket.send(server, first);
  std::uint64_t datagrams = 0;
  while (datagrams < 10'000) {
    const auto datagram = socket.receive(700ms);
    if (!datagram) {
      return datagrams;
    }
    socket.send(server, *datagram);
    ++datagrams;
  }
  return datagrams;
}

void reflect_loops(Attack& attack) {
  Target other({"perf", nlohmann::json::object()});
  const InitialForge forge("perf");
  Bytes unknown_version = forge.make();
  unknown_version[4] = 99;
  Bytes short_header = random_bytes(1'200);
  short_header[0] = 0x40;
  const std::vector<std::pair<std::string, Bytes>> starts{
      {"Initial", forge.make()}, {"unknown version", unknown_version}, {"short header", short_header}};
  for (const auto& [name, packet] : starts) {
    attack.at_most("two servers, " + name,
                   static_cast<double>(loop(attack.target.address(), other.address(), packet)), 100,
                   "packets");
    attack.at_most("an echo, " + name, static_cast<double>(echo(attack.target.address(), packet)), 100,
                   "packets");
  }
}

// A real client that changes its address with every packet, and answers every challenge.
void migrate(Attack& attack) {
  RawOptions options;
  options.acknowledges = true;
  RawConnection client(attack.target.address(), options);
  attack.holds("the handshake completes", client.shake_hands());
  const std::uint64_t moves = attack.count(50, 2'000);
  std::vector<Udp> sockets;
  for (std::uint16_t i = 0; i < 50; ++i) {
    sockets.emplace_back(static_cast<std::uint16_t>(kAttackerHost + 20 + i));
  }
  for (std::uint64_t i = 0; i < moves && !client.closed; ++i) {
    const Udp& socket = sockets[i % sockets.size()];
    socket.send(attack.target.address(), client.make(Level::kOneRtt, frame::ping()));
    while (const auto answer = socket.receive(1ms)) {
      client.handle(*answer);
    }
    for (const Bytes& challenge : std::exchange(client.challenges, {})) {
      socket.send(attack.target.address(),
                  client.make(Level::kOneRtt, frame::path_response(Reader(challenge).number(8))));
    }
  }
  attack.note("moves", static_cast<double>(moves));
  attack.note("migrations", static_cast<double>(attack.target.statistic("path_migrations")));
}

}  // namespace

void add_path_rows(std::vector<Row>& rows) {
  rows.push_back({"paths", "spoofed", "genuine packets from a forged address", {}, &spoof});
  rows.push_back({"paths", "amplification", "ClientHellos from an address that never answers", {}, &amplify});
  rows.push_back({"paths", "stateless", "packets without a connection", {}, &reflect_stateless});
  rows.push_back(
      {"paths", "loops", "two servers, or a server and an echo, that answer each other", {}, &reflect_loops});
  rows.push_back(
      {"paths", "migrations", "a client that changes its address with every packet", {}, &migrate});
  rows.push_back(
      {"paths", "closed", "packets for a connection that the server has closed", {}, &knock_on_closed});
}

}  // namespace knul::attack
