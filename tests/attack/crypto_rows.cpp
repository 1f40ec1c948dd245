// CRYPTO data without end, at each level.
#include <algorithm>

#include "attack.hpp"

namespace knul::attack {
namespace {

// A message that announces 16 MiB and goes on for as long as the server listens.
Bytes endless_message(std::uint8_t type, std::size_t bytes) {
  Bytes out{type, 0xff, 0xff, 0xff};
  out.resize(bytes, 0x61);
  return out;
}

std::optional<RawConnection::Close> flood_level(RawConnection& client, Level level, const Bytes& message) {
  constexpr std::size_t kPart = 1'000;
  for (std::size_t at = 0; at < message.size() && !client.closed; at += kPart) {
    const View part = View(message).subspan(at, std::min(kPart, message.size() - at));
    client.send(level, frame::crypto(at, part));
    client.read(2ms);
  }
  client.wait([&] { return client.closed.has_value(); }, 5s);
  return client.closed;
}

void flood_initial(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  attack.equals("close", to_text(flood_level(client, Level::kInitial, endless_message(1, 64U << 10))), "0xd");
}

void flood_handshake(Attack& attack) {
  RawOptions options;
  options.sends_finished = false;
  RawConnection client(attack.target.address(), options);
  attack.holds("the server answers", client.shake_hands());
  attack.equals("close", to_text(flood_level(client, Level::kHandshake, endless_message(11, 64U << 10))),
                "0xd");
}

// RFC 9001 §4.4, §6: a client sends nothing there, so that the first byte is too much.
void flood_one_rtt(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  attack.holds("the handshake completes", client.shake_hands());
  attack.equals("close", to_text(flood_level(client, Level::kOneRtt, endless_message(4, 64U << 10))),
                "0x10a");
}

// Everything but its first byte, which never comes: kept out of order, from many ports.
void flood_from_ports(Attack& attack) {
  const std::uint64_t ports = attack.count(50, 1'000);
  const Bytes message = endless_message(1, 64U << 10);
  std::vector<std::unique_ptr<RawConnection>> clients;
  constexpr std::size_t kPart = 1'100;
  for (std::uint64_t i = 0; i < ports; ++i) {
    clients.push_back(std::make_unique<RawConnection>(attack.target.address(), RawOptions{}));
    std::vector<Bytes> packets;
    for (std::size_t at = 1; at < message.size(); at += kPart) {
      packets.push_back(clients.back()->make(
          Level::kInitial,
          frame::crypto(at, View(message).subspan(at, std::min(kPart, message.size() - at)))));
    }
    clients.back()->send_datagrams(packets);
  }
  std::uint64_t limit = 0;
  for (const auto& client : clients) {
    client->drain();
    limit += client->closed && client->closed->code == 0xd ? 1 : 0;
  }
  attack.note("ports", static_cast<double>(ports));
  attack.note("connections closed with 0xd so far", static_cast<double>(limit));
  const auto half_open = [](const nlohmann::json& now) { return now["connections_half_open"] < 16; };
  attack.holds("half-open connections end with their timeout", attack.target.wait(half_open, 60s));
}

Bytes with_length(const Bytes& content) {
  return concat({View(Bytes{static_cast<std::uint8_t>(content.size() >> 16),
                            static_cast<std::uint8_t>(content.size() >> 8 & 0xff),
                            static_cast<std::uint8_t>(content.size() & 0xff)}),
                 View(content)});
}

// A Certificate message (RFC 8446 §4.4.2) with one certificate of bytes that are no certificate.
Bytes garbage_certificate(std::size_t bytes) {
  const Bytes no_extensions{0, 0};
  const Bytes list = with_length(concat({View(with_length(Bytes(bytes, 0x30))), View(no_extensions)}));
  const Bytes body = with_length(concat({View(Bytes{0}), View(list)}));
  return concat({View(Bytes{11}), View(body)});
}

void send_garbage_certificates(Attack& attack) {
  const std::uint64_t clients = attack.count(20, 500);
  std::uint64_t refused = 0;
  const auto round = [&] {
    for (std::uint64_t i = 0; i < clients; ++i) {
      RawOptions options;
      options.sends_finished = false;
      RawConnection client(attack.target.address(), options);
      if (!client.shake_hands()) {
        throw std::runtime_error("no answer");
      }
      refused +=
          to_text(flood_level(client, Level::kHandshake, garbage_certificate(15'000))) == "0x12a" ? 1 : 0;
    }
  };
  round();
  const std::uint64_t before = attack.target.figures().rss_bytes;
  round();
  attack.equals("closed with bad_certificate", std::to_string(refused), std::to_string(2 * clients));
  const auto counted = attack.target.statistic("client_certificates_refused_malformed");
  attack.equals("refusals counted", std::to_string(counted), std::to_string(2 * clients));
  const auto grown = static_cast<double>(attack.target.figures().rss_bytes) - static_cast<double>(before);
  if (!kIsSanitized) {
    attack.at_most("memory for each client", grown / 1'024 / static_cast<double>(clients), 64, "KiB");
  }
}

using Clients = std::vector<std::unique_ptr<RawConnection>>;

// Clients that never send their Finished, and 200 packets of each that the server has no keys for.
Clients send_early_packets(Attack& attack, std::uint64_t connections, bool is_coalesced) {
  Clients clients;
  const Bytes frames = repeat(frame::ping(), 30'000);
  for (std::uint64_t i = 0; i < connections; ++i) {
    RawOptions options;
    options.sends_finished = false;
    clients.push_back(std::make_unique<RawConnection>(attack.target.address(), options));
    if (!clients.back()->shake_hands()) {
      throw std::runtime_error("no answer");
    }
    for (int packet = 0; packet < 200; ++packet) {
      const Bytes front =
          is_coalesced ? clients.back()->make(Level::kHandshake, repeat(frame::ping(), 20)) : Bytes();
      clients.back()->send_datagram(
          concat({View(front), View(clients.back()->make(Level::kOneRtt, frames))}));
    }
    clients.back()->abandon();
  }
  attack.target.wait([](const nlohmann::json& now) { return now["connections_half_open"] > 0; });
  return clients;
}

// A server may keep packets that arrive before their keys, within a bound. The first clients make the server
// touch what it touches once, such as its receive buffers; the growth is that of the second ones.
void send_early(Attack& attack, bool is_coalesced) {
  const std::uint64_t connections = attack.count(10, 100);
  const std::uint64_t dropped = attack.target.statistic("packets_dropped_early");
  const Clients first = send_early_packets(attack, connections, is_coalesced);
  const std::uint64_t before = attack.target.figures().rss_bytes;
  const Clients second = send_early_packets(attack, connections, is_coalesced);
  const auto grown = static_cast<double>(attack.target.figures().rss_bytes) - static_cast<double>(before);
  if (!kIsSanitized) {
    attack.at_most("memory for each connection", grown / 1'024 / static_cast<double>(connections), 128,
                   "KiB");
  }
  attack.at_least("drops counted",
                  static_cast<double>(attack.target.statistic("packets_dropped_early") - dropped), 1);
}

}  // namespace

void add_crypto_rows(std::vector<Row>& rows) {
  const TargetOptions quick{"perf", {{"handshake_timeout_ms", 3'000}}};
  rows.push_back({"crypto", "initial", "an endless ClientHello", quick, &flood_initial});
  rows.push_back({"crypto", "handshake", "an endless Certificate", quick, &flood_handshake});
  // "optional", so that the well-behaved client needs none.
  const TargetOptions asking{"perf",
                             {{"handshake_timeout_ms", 3'000},
                              {"client_auth", "optional"},
                              {"client_ca_path", test_folder() + "/attack.ca.pem"}}};
  rows.push_back({"crypto", "client_certificate", "an endless Certificate for a server that asks for one",
                  asking, &flood_handshake});
  rows.push_back({"crypto", "garbage_certificate", "15 KB that are no certificate, from many clients", asking,
                  &send_garbage_certificates});
  rows.push_back({"crypto", "one_rtt", "CRYPTO data after the handshake", quick, &flood_one_rtt});
  rows.push_back({"crypto", "ports", "64 KiB of CRYPTO from each of many ports, the first byte missing",
                  quick, &flood_from_ports});
  rows.push_back({"crypto", "early_one_rtt", "6 MB of 1-RTT packets before the client's Finished", quick,
                  [](Attack& attack) { send_early(attack, false); }});
  rows.push_back({"crypto", "early_coalesced",
                  "the same, each packet in one datagram with a Handshake packet in front of it", quick,
                  [](Attack& attack) { send_early(attack, true); }});
}

}  // namespace knul::attack
