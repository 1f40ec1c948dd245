// Datagrams that are no packets, packets of nobody, and genuine packets with broken content.
#include <algorithm>

#include "attack.hpp"

namespace knul::attack {
namespace {

// Sizes that parsers get wrong, with content that looks like each kind of packet.
void send_odd_sizes(Attack& attack) {
  const Udp socket;
  const std::uint64_t before = attack.target.statistic("udp_datagrams_received");
  std::uint64_t sent = 0;
  for (std::uint64_t round = 0; round < attack.count(20, 2'000); ++round) {
    for (const std::size_t size :
         {0U, 1U, 2U, 7U, 20U, 21U, 22U, 42U, 1'199U, 1'200U, 1'201U, 1'500U, 16'384U, 65'507U}) {
      Bytes datagram = random_bytes(size);
      if (size > 0) {
        static constexpr std::uint8_t kFirst[] = {0xc0, 0xd0, 0xe0, 0xf0, 0x40, 0x00, 0x80, 0xff};
        datagram[0] = kFirst[random_below(8)];
      }
      if (size > 6 && random_below(2) == 0) {
        std::ranges::copy(Bytes{0, 0, 0, 1, 8}, datagram.begin() + 1);
      }
      socket.send(attack.target.address(), datagram);
      ++sent;
    }
  }
  attack.note("datagrams sent", static_cast<double>(sent));
  attack.holds("some were received", attack.target.wait([&](const nlohmann::json& now) {
    return now["udp_datagrams_received"].get<std::uint64_t>() > before;
  }));
  attack.at_most("connections half-open",
                 static_cast<double>(attack.target.statistic("connections_half_open")), 64);
}

// A frame or two that are well-formed, changed at some places, under correct protection.
Bytes mutated_payload() {
  using namespace frame;
  const std::uint64_t id = 4 * random_below(30);
  const Bytes data = random_bytes(random_below(60));
  const std::vector<Bytes> kinds{ping(),
                                 ack(random_below(20)),
                                 reset_stream(id),
                                 stop_sending(id),
                                 stream(id, random_below(100), data, random_below(2) == 0),
                                 max_data(random_below(1U << 20)),
                                 max_stream_data(id, random_below(1U << 20)),
                                 max_streams(random_below(1'000)),
                                 stream_data_blocked(id, 1),
                                 new_connection_id(random_below(8), random_below(8)),
                                 retire_connection_id(random_below(8)),
                                 path_challenge(random_source()()),
                                 path_response(random_source()()),
                                 datagram(data),
                                 crypto(0, data)};
  Bytes payload;
  for (std::uint64_t frames = 1 + random_below(4); frames > 0; --frames) {
    append(payload, kinds[random_below(kinds.size())]);
  }
  for (std::uint64_t changes = random_below(4); changes > 0; --changes) {
    payload[random_below(payload.size())] = static_cast<std::uint8_t>(random_below(256));
  }
  return payload;
}

void send_mutated(Attack& attack) {
  std::unique_ptr<RawConnection> client;
  std::uint64_t connections = 0;
  const std::uint64_t packets = attack.count(2'000, 50'000);
  for (std::uint64_t i = 0; i < packets; ++i) {
    if (!client || client->closed || client->is_stateless_reset) {
      client = std::make_unique<RawConnection>(attack.target.address(), RawOptions{});
      ++connections;
      if (!client->shake_hands()) {
        throw std::runtime_error("no handshake");
      }
    }
    client->send(mutated_payload());
    if (i % 8 == 0) {
      client->read(1ms);
    }
    client->drain();
  }
  attack.note("packets sent", static_cast<double>(packets));
  attack.note("connections used", static_cast<double>(connections));
}

// One valid Initial and ten packets of other connection IDs behind it, before any handshake.
void send_coalesced_junk(Attack& attack) {
  const std::uint64_t datagrams = attack.count(2'000, 100'000);
  RawConnection client(attack.target.address(), {});
  const Bytes valid = client.hello_packet();
  std::vector<Bytes> batch;
  for (std::uint64_t i = 0; i < datagrams; ++i) {
    Bytes datagram = valid;
    for (int junk = 0; junk < 10; ++junk) {
      Bytes packet{0xe3, 0, 0, 0, 1, 8};
      append(packet, random_bytes(8));
      packet.push_back(0);
      append_varint(packet, 40);
      append(packet, random_bytes(40));
      append(datagram, packet);
    }
    batch.push_back(std::move(datagram));
    if (batch.size() == 64) {
      client.send_datagrams(batch);
      batch.clear();
    }
  }
  attack.note("datagrams sent", static_cast<double>(datagrams));
  attack.at_most("connections half-open",
                 static_cast<double>(attack.target.statistic("connections_half_open")), 64);
}

// 0-RTT is not offered: such packets are dropped, and a connection that brings them is as good as any other.
void replay_early_data(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  Bytes early{0xd3, 0, 0, 0, 1, 8};
  append(early, client.original_id());
  early.push_back(0);
  append_varint(early, 100);
  append(early, random_bytes(100));
  const std::uint64_t before = attack.target.statistic("total_requests");
  const Bytes flight = concat({client.hello_packet(), early});
  for (int i = 0; i < 100; ++i) {
    client.send_datagram(flight);
  }
  attack.holds("the handshake completes", client.shake_hands());
  attack.at_most("answers to the 100 flights: packets", static_cast<double>(client.datagrams_read), 60);
  client.send(frame::stream(0, 0, perf_request(10), true));
  attack.holds("a request is answered", client.wait([&] { return client.streams[0].has_fin; }));
  // The oracle asks meanwhile, at most 20 times a second.
  attack.at_most("requests by early data", static_cast<double>(client.streams[0].bytes > 0 ? 0 : 1), 0);
  attack.note("requests in all", static_cast<double>(attack.target.statistic("total_requests") - before));
}

}  // namespace

void add_packet_rows(std::vector<Row>& rows) {
  rows.push_back({"packets", "odd_sizes", "datagrams of 0 to 65,507 bytes of noise", {}, &send_odd_sizes});
  rows.push_back({"packets", "mutated", "genuine 1-RTT packets with mutated frames", {}, &send_mutated});
  rows.push_back({"packets",
                  "coalesced_junk",
                  "a valid Initial with ten packets of other connection IDs behind it",
                  {},
                  &send_coalesced_junk});
  rows.push_back(
      {"packets", "early_data", "a first flight with 0-RTT, sent 100 times", {}, &replay_early_data});
}

}  // namespace knul::attack
