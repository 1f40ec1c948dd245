// Cheap frames in bulk on one established connection. Each costs its sender a byte and the server a call.
#include <algorithm>
#include <thread>

#include "attack.hpp"

namespace knul::attack {
namespace {

RawConnection& ready(RawConnection& client) {
  if (!client.shake_hands()) {
    throw std::runtime_error("no handshake");
  }
  return client;
}

// Packets of one connection, as fast as they go, for the span of the attack or until `packets` are sent.
std::uint64_t flood(Attack& attack, RawConnection& client, std::uint64_t packets,
                    const std::function<Bytes(std::uint64_t)>& frames) {
  std::uint64_t sent = 0;
  std::vector<Bytes> batch;
  while (sent < packets && !client.closed) {
    batch.clear();
    for (int i = 0; i < 32 && sent < packets; ++i, ++sent) {
      batch.push_back(client.make(Level::kOneRtt, frames(sent)));
    }
    client.send_datagrams(batch);
    client.drain();
  }
  attack.note("packets sent", static_cast<double>(sent));
  return sent;
}

// Datagrams as big as UDP carries, full of one frame, for the span of the attack.
void flood_big(Attack& attack, const Bytes& prelude, const Bytes& unit) {
  RawConnection client(attack.target.address(), {});
  ready(client);
  client.send(prelude);
  const Bytes frames = repeat(unit, 60'000 / unit.size());
  std::uint64_t sent = 0;
  while (attack.goes_on() && !client.closed) {
    client.send(frames);
    client.drain();
    ++sent;
  }
  attack.note("frames sent", static_cast<double>(sent) * static_cast<double>(frames.size() / unit.size()));
  attack.note("datagrams dropped by budget",
              static_cast<double>(attack.target.statistic("packets_dropped_budget")));
}

void flood_ping_big(Attack& attack) { flood_big(attack, frame::ping(), frame::ping()); }
void flood_max_stream_data_big(Attack& attack) {
  flood_big(attack, frame::stream(0, 0, bytes_of("x")), frame::max_stream_data(0, 1U << 20));
}
void flood_stop_sending_big(Attack& attack) {
  flood_big(attack, frame::stream(0, 0, bytes_of("x")), frame::stop_sending(0));
}
void flood_acks_big(Attack& attack) { flood_big(attack, frame::ping(), frame::ack(0)); }
void flood_blocked_big(Attack& attack) { flood_big(attack, frame::ping(), frame::stream_data_blocked(0, 1)); }

void flood_pings(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  const std::uint64_t pings = attack.count(100'000, 2'000'000);
  const Bytes frames = repeat(frame::ping(), 1'000);
  flood(attack, ready(client), pings / 1'000, [&](std::uint64_t) { return frames; });
}

void flood_challenges(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  ready(client);
  const std::uint64_t before = client.frames_read[0x1b];
  const std::uint64_t sent = flood(attack, client, attack.count(500, 10'000), [](std::uint64_t packet) {
    Bytes frames;
    for (std::uint64_t i = 0; i < 60; ++i) {
      append(frames, frame::path_challenge(packet << 8 | i));
    }
    return frames;
  });
  attack.at_most("PATH_RESPONSE for each challenge",
                 static_cast<double>(client.frames_read[0x1b] - before) / static_cast<double>(60 * sent), 1);
}

void flood_connection_ids(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  ready(client);
  flood(attack, client, attack.count(2'000, 100'000), [](std::uint64_t packet) {
    // Retires all that came before. Ten in a packet.
    Bytes frames;
    for (std::uint64_t i = 1; i <= 10; ++i) {
      const std::uint64_t sequence = 10 * packet + i;
      append(frames, frame::new_connection_id(sequence, sequence));
    }
    return frames;
  });
  attack.equals("close", to_text(client.wait_close()), "0x9");
}

// The other way round: all IDs that the server gave but the last are retired, again and again, so that it
// gives new ones.
void flood_retire(Attack& attack) {
  RawOptions options;
  options.acknowledges = true;
  RawConnection client(attack.target.address(), options);
  ready(client);
  const std::uint64_t wanted = attack.count(200, 5'000);
  std::uint64_t retired = 0;
  const auto newest = [&] {
    return client.connection_ids.empty() ? 0 : client.connection_ids.rbegin()->first;
  };
  while (retired < wanted && !client.closed && client.wait([&] { return newest() > retired; }, 5s)) {
    client.set_destination(client.connection_ids.rbegin()->second);
    while (retired < newest()) {
      client.send(frame::retire_connection_id(retired++));
    }
  }
  attack.at_least("IDs retired", static_cast<double>(retired), static_cast<double>(wanted));
  attack.equals("close", to_text(client.closed), "none");
}

// Every second byte of each stream, so that the server keeps what it cannot deliver.
void flood_gaps(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  ready(client);
  const std::uint64_t streams = 100;
  const std::uint64_t gaps = attack.count(300, 4'999);
  std::uint64_t sent = 0;
  for (std::uint64_t stream = 0; stream < streams && !client.closed; ++stream) {
    Bytes frames;
    for (std::uint64_t i = 0; i < gaps && !client.closed; ++i) {
      append(frames, frame::stream(4 * stream, 2 * i + 1, bytes_of("x")));
      ++sent;
      if (frames.size() > 1'100 || i + 1 == gaps) {
        client.send(frames);
        frames.clear();
      }
    }
    client.drain();
  }
  attack.note("gaps made", static_cast<double>(sent));
}

// The same bytes of one stream again and again, shifted by one.
void flood_overlaps(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  ready(client);
  const Bytes data(1'000, 'x');
  flood(attack, client, attack.count(2'000, 100'000),
        [&](std::uint64_t packet) { return frame::stream(0, 1 + packet % 200, data); });
}

}  // namespace

void add_frame_flood_rows(std::vector<Row>& rows) {
  const auto add = [&](const char* name, const char* words, void (*run)(Attack&)) {
    rows.push_back({"frames", name, words, {}, run});
  };
  add("ping_big", "60 KB datagrams full of PING", &flood_ping_big);
  add("max_stream_data_big", "60 KB datagrams full of MAX_STREAM_DATA", &flood_max_stream_data_big);
  add("stop_sending_big", "60 KB datagrams full of STOP_SENDING", &flood_stop_sending_big);
  add("ack_big", "60 KB datagrams full of ACK", &flood_acks_big);
  add("stream_data_blocked_big", "60 KB datagrams full of STREAM_DATA_BLOCKED", &flood_blocked_big);
  add("ping", "2,000,000 PINGs, a thousand in a packet", &flood_pings);
  add("path_challenge", "60 PATH_CHALLENGEs in each of 10,000 packets", &flood_challenges);
  add("new_connection_id", "NEW_CONNECTION_ID with rising retire_prior_to, nothing acknowledged",
      &flood_connection_ids);
  add("retire_connection_id", "every ID of the server is retired at once", &flood_retire);
  add("gaps", "100 streams with a gap behind each byte", &flood_gaps);
  add("overlaps", "the same bytes of a stream in shifted frames", &flood_overlaps);
}

}  // namespace knul::attack
