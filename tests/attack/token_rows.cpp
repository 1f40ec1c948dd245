// Address tokens (RFC 9000 §8.1): where they come from, whom they are for, and what the server makes of them.
#include <algorithm>
#include <thread>

#include "attack.hpp"
#include "initial_forge.hpp"

namespace knul::attack {
namespace {

// What a packet of the server says to an Initial of this connection ID; empty when it is of another
// connection.
std::optional<std::string> meaning(View packet, const PacketKeys& keys) {
  if (read_retry(packet)) {
    return "Retry";
  }
  Reader reader(packet);
  reader.take(5);
  reader.take(reader.number(1));
  reader.take(reader.number(1));
  reader.take(reader.varint());
  const std::uint64_t length = reader.varint();
  const std::size_t number_at = packet.size() - reader.rest().size();
  const auto opened =
      keys.open(packet.first(std::min<std::size_t>(packet.size(), number_at + length)), number_at, 0);
  if (!opened) {
    return std::nullopt;
  }
  Reader payload(opened->payload);
  return payload.varint() == 0x1c ? "close " + hex(payload.varint()) : "handshake";
}

// What an Initial brought, without going on.
std::string answer_to(Address server, const Udp& socket, const InitialForge& forge, const Bytes& id,
                      const Bytes& token) {
  const PacketKeys keys = PacketKeys::initial(id, "server in");
  socket.send(server, forge.make(id, token));
  while (const auto packet = socket.receive(kIsSanitized ? 2'000ms : 1'000ms)) {
    if (const auto answer = meaning(*packet, keys)) {
      return *answer;
    }
  }
  return "silence";
}

Retry retry_for(Address server, const Udp& socket, const InitialForge& forge) {
  for (int tries = 0; tries < 10; ++tries) {
    socket.send(server, forge.make());
    const auto packet = socket.receive(1s);
    if (const auto retry = packet ? read_retry(*packet) : std::nullopt) {
      return *retry;
    }
  }
  throw std::runtime_error("no Retry");
}

// The token that a whole connection from `host` is given.
Bytes new_token_from(Address server, std::uint16_t host) {
  RawOptions options;
  options.host = host;
  RawConnection client(server, options);
  if (!client.shake_hands() || !client.wait([&] { return !client.new_tokens.empty(); })) {
    throw std::runtime_error("no NEW_TOKEN");
  }
  return client.new_tokens.front();
}

constexpr std::uint16_t kOtherHost = kAttackerHost + 1;

void try_without_or_garbage(Attack& attack, const std::string& expected) {
  const InitialForge forge("perf");
  const Udp socket;
  const Address server = attack.target.address();
  attack.equals("no token", answer_to(server, socket, forge, random_bytes(8), {}), expected);
  std::string worst = expected;
  for (const std::size_t bytes : {1U, 2U, 16U, 17U, 40U, 64U, 65U, 80U, 128U, 256U, 511U, 512U}) {
    Bytes token = random_bytes(bytes);
    token[0] = 0x70;  // neither kind begins so
    const std::string answer = answer_to(server, socket, forge, random_bytes(8), token);
    worst = answer == expected ? worst : answer + " to " + std::to_string(bytes);
  }
  attack.equals("garbage of 1 to 512 bytes", worst, expected);
}

void try_retry_tokens(Attack& attack) {
  const InitialForge forge("perf");
  const Udp socket;
  const Address server = attack.target.address();
  // Each answer is to a fresh token, since a connection ID leads to the first connection that it made.
  const auto fresh = [&] { return retry_for(server, socket, forge); };
  Retry retry = fresh();
  attack.equals("its own address", answer_to(server, socket, forge, retry.id, retry.token), "handshake");
  const Bytes replayed = retry.token;
  attack.equals("another connection ID", answer_to(server, socket, forge, random_bytes(8), replayed),
                "close 0xb");
  retry = fresh();
  const Udp other_address(kOtherHost);
  attack.equals("another address", answer_to(server, other_address, forge, retry.id, retry.token),
                "close 0xb");
  const Udp other_port;
  attack.equals("another port", answer_to(server, other_port, forge, retry.id, retry.token), "close 0xb");
  Bytes truncated = retry.token;
  truncated.pop_back();
  attack.equals("truncated", answer_to(server, socket, forge, retry.id, truncated), "close 0xb");
  Bytes changed = retry.token;
  changed.back() ^= 1;
  attack.equals("changed by a bit", answer_to(server, socket, forge, retry.id, changed), "close 0xb");
  if (attack.is_full()) {
    std::this_thread::sleep_for(11s);  // its lifetime is 10 s by the server's clock
    attack.equals("expired", answer_to(server, socket, forge, retry.id, retry.token), "close 0xb");
  }
}

void try_other_key(Attack& attack) {
  const InitialForge forge("perf");
  const Udp socket;
  Target other(attack.target.options());
  const Retry foreign = retry_for(other.address(), socket, forge);
  attack.equals("Retry token of another server",
                answer_to(attack.target.address(), socket, forge, foreign.id, foreign.token), "close 0xb");
  const Bytes token = new_token_from(other.address(), kAttackerHost);
  attack.equals("NEW_TOKEN of another server",
                answer_to(attack.target.address(), socket, forge, random_bytes(8), token), "Retry");
}

void try_new_tokens(Attack& attack) {
  const InitialForge forge("perf");
  const Address server = attack.target.address();
  const Bytes token = new_token_from(server, kAttackerHost);
  const Udp same;
  attack.equals("its own address, another port", answer_to(server, same, forge, random_bytes(8), token),
                "handshake");
  // Not remembered, so that it is good for its own address until it expires.
  attack.equals("the same again", answer_to(server, same, forge, random_bytes(8), token), "handshake");
  const Udp other(kOtherHost);
  attack.equals("another address", answer_to(server, other, forge, random_bytes(8), token), "Retry");
  Bytes truncated = token;
  truncated.pop_back();
  attack.equals("truncated", answer_to(server, same, forge, random_bytes(8), truncated), "Retry");
}

// One duplicate of each datagram: the second finds the connection or the closing entry that the first made.
void duplicate(Attack& attack) {
  const InitialForge forge("perf");
  const Udp socket;
  const Address server = attack.target.address();
  const std::uint64_t before = attack.target.statistic("connections_accepted");
  const Retry retry = retry_for(server, socket, forge);
  const Bytes datagram = forge.make(retry.id, retry.token);
  for (int i = 0; i < 50; ++i) {
    socket.send(server, datagram);
  }
  std::ignore = socket.receive(500ms);
  attack.holds("the token was accepted", attack.target.wait([&](const nlohmann::json& now) {
    return now["connections_accepted"].get<std::uint64_t>() > before;
  }));
  // The oracle makes a connection a second.
  attack.at_most("connections for 50 copies",
                 static_cast<double>(attack.target.statistic("connections_accepted") - before), 4);
}

// No Retry while the server drains: refused with or without a token, and nothing is begun.
void try_while_draining(Attack& attack) {
  Target other(attack.target.options());
  const InitialForge forge("perf");
  const Udp socket;
  const Retry retry = retry_for(other.address(), socket, forge);
  const Bytes new_token = new_token_from(other.address(), kAttackerHost);
  RawConnection busy(other.address(), {});
  attack.holds("a busy connection", busy.shake_hands());
  busy.send(frame::stream(0, 0, perf_request(8U << 20)));
  other.wait([](const nlohmann::json& now) { return now["requests_started"] == 1; });
  other.tell("stop 3000");
  busy.wait([&] { return !busy.streams.empty(); });
  std::this_thread::sleep_for(200ms);  // the drain begins on each worker in its own time
  attack.equals("no token", answer_to(other.address(), socket, forge, random_bytes(8), {}), "close 0x2");
  attack.equals("Retry token", answer_to(other.address(), socket, forge, retry.id, retry.token), "close 0x2");
  attack.equals("NEW_TOKEN", answer_to(other.address(), socket, forge, random_bytes(8), new_token),
                "close 0x2");
}

}  // namespace

void add_token_rows(std::vector<Row>& rows) {
  const TargetOptions always{"perf", {{"retry", "always"}, {"handshake_timeout_ms", 3'000}}};
  const TargetOptions never{"perf", {{"retry", "never"}, {"handshake_timeout_ms", 3'000}}};
  rows.push_back({"tokens", "none_or_garbage_always", "no token and garbage, Retry always", always,
                  [](Attack& attack) { try_without_or_garbage(attack, "Retry"); }});
  rows.push_back({"tokens", "retry_always", "valid and invalid tokens of Retry", always, &try_retry_tokens});
  rows.push_back(
      {"tokens", "new_token_always", "valid and invalid tokens of NEW_TOKEN", always, &try_new_tokens});
  rows.push_back({"tokens", "other_key", "tokens of another server", always, &try_other_key});
  rows.push_back({"tokens", "duplicate", "a valid token in 50 copies of one datagram", always, &duplicate});
  rows.push_back({"tokens", "draining", "tokens while the server drains", always, &try_while_draining});
  rows.push_back({"tokens", "none_or_garbage_never", "no token and garbage, Retry never", never,
                  [](Attack& attack) { try_without_or_garbage(attack, "handshake"); }});
}

}  // namespace knul::attack
