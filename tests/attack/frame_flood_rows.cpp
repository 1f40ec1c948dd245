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

// A frame that is legal any number of times, and what makes it so.
struct Kind {
  std::string name, words;
  Bytes prelude, unit;
  std::string service = "perf";
};

std::vector<Kind> kinds() {
  using namespace frame;
  const Bytes open = stream(0, 0, bytes_of("x"));
  const Bytes reset = concat({open, reset_stream(0, 1)});
  return {
      {"padding", "PADDING", ping(), Bytes(1)},
      {"ping", "PING", ping(), ping()},
      {"ack", "ACK", ping(), ack(0)},
      {"reset_stream", "RESET_STREAM", reset, reset_stream(0, 1)},
      {"stop_sending", "STOP_SENDING", open, stop_sending(0)},
      {"max_data", "MAX_DATA", ping(), max_data(1U << 30)},
      {"max_stream_data", "MAX_STREAM_DATA", open, max_stream_data(0, 1U << 20)},
      {"max_streams", "MAX_STREAMS", ping(), max_streams(1'000)},
      {"stream_data_blocked", "STREAM_DATA_BLOCKED", open, stream_data_blocked(0, 1)},
      {"streams_blocked", "STREAMS_BLOCKED", ping(), streams_blocked(100)},
      {"new_connection_id", "the same NEW_CONNECTION_ID", ping(), frame::new_connection_id(1, 0)},
      {"retire_connection_id", "the same RETIRE_CONNECTION_ID", retire_connection_id(1),
       retire_connection_id(1)},
      {"path_challenge", "PATH_CHALLENGE", ping(), path_challenge(7)},
      {"path_response", "unsolicited PATH_RESPONSE", ping(), path_response(7)},
      {"stream_byte", "the same byte of a stream", open, open},
      {"stream_empty", "STREAM without bytes", open, stream(0, 1, {})},
      {"stream_empty_channel", "STREAM without bytes, to a program behind a channel", open, stream(0, 1, {}),
       "channel"},
      {"datagram", "DATAGRAM of one byte, echoed", ping(), datagram(bytes_of("d")), "echo"},
      {"datagram_channel", "DATAGRAM of one byte, to a program behind a channel", ping(),
       datagram(bytes_of("d")), "channel"},
  };
}

// Datagrams as big as UDP carries, full of one frame.
void flood_big(Attack& attack, const Kind& kind) {
  RawOptions options;
  options.alpn = attack.target.alpn();
  RawConnection client(attack.target.address(), options);
  ready(client);
  client.send(kind.prelude);
  const Bytes frames = repeat(kind.unit, 60'000 / kind.unit.size());
  std::uint64_t sent = 0;
  while (attack.goes_on(3) && !client.closed) {
    client.send(frames);
    client.drain();
    ++sent;
  }
  attack.note("frames sent",
              static_cast<double>(sent) * static_cast<double>(frames.size() / kind.unit.size()));
  attack.equals("close", to_text(client.closed), "none");
}

// One ACK with as many ranges as a datagram holds, again and again.
void flood_ack_ranges(Attack& attack) {
  RawConnection client(attack.target.address(), {});
  ready(client);
  Bytes ranges;
  constexpr std::uint64_t kRanges = 25'000;
  for (std::uint64_t i = 0; i < kRanges; ++i) {
    append(ranges, Bytes{0, 0});
  }
  // The server has sent few packets: of more it cannot be told that they came.
  const Bytes honest = frame::ack(0);
  const Bytes frames = concat({View(honest), View(frame::make({2, 0, 0, kRanges, 0}, ranges))});
  client.send(frames);
  attack.equals("close", to_text(client.wait_close()), "0x7");
}

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
  for (const Kind& kind : kinds()) {
    rows.push_back({"frames",
                    "big_" + kind.name,
                    "60 KB datagrams full of " + kind.words,
                    {kind.service},
                    [kind](Attack& attack) { flood_big(attack, kind); }});
  }
  add("ack_ranges", "ACK with 25,000 ranges below 0", &flood_ack_ranges);
  add("ping", "2,000,000 PINGs, a thousand in a packet", &flood_pings);
  add("path_challenge", "60 PATH_CHALLENGEs in each of 10,000 packets", &flood_challenges);
  add("new_connection_id", "NEW_CONNECTION_ID with rising retire_prior_to, nothing acknowledged",
      &flood_connection_ids);
  add("retire_connection_id", "every ID of the server is retired at once", &flood_retire);
  add("gaps", "100 streams with a gap behind each byte", &flood_gaps);
  add("overlaps", "the same bytes of a stream in shifted frames", &flood_overlaps);
}

}  // namespace knul::attack
