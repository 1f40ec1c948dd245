// Peers that make the server keep something for them, and never let it go.
#include <algorithm>
#include <thread>

#include "attack.hpp"

namespace knul::attack {
namespace {

constexpr double kMebi = 1 << 20;

using Clients = std::vector<std::unique_ptr<RawConnection>>;

// Connections with `requests` requests each, which acknowledge nothing of the answers.
Clients ask_and_forget(Attack& attack, std::uint64_t connections, std::uint64_t requests,
                       std::uint64_t answer_bytes) {
  Clients clients;
  for (std::uint64_t i = 0; i < connections; ++i) {
    RawOptions options;
    options.stream_window = answer_bytes;
    options.connection_window = answer_bytes * requests;
    clients.push_back(std::make_unique<RawConnection>(attack.target.address(), options));
    RawConnection& client = *clients.back();
    if (!client.shake_hands()) {
      continue;  // a server may refuse an attacker
    }
    client.acknowledge();
    for (std::uint64_t stream = 0; stream < requests; ++stream) {
      client.send(frame::stream(4 * stream, 0, perf_request(answer_bytes), true));
    }
  }
  return clients;
}

// A PING keeps the connections from their idle timeout; what the server says is thrown away.
void keep_alive(Clients& clients, Clock::duration span, Clock::duration interval) {
  const Clock::time_point end = Clock::now() + span;
  Clock::time_point next = Clock::now();
  while (Clock::now() < end) {
    for (const auto& client : clients) {
      if (Clock::now() >= next && client->has_keys(Level::kOneRtt) && !client->closed) {
        client->send(frame::ping());
      }
      client->drain();
    }
    next = Clock::now() >= next ? Clock::now() + interval : next;
    std::this_thread::sleep_for(10ms);
  }
}

// The budget of the server is 1 GiB in the full form, 64 MiB in the short one, whose attack is over sooner.
void never_acknowledge(Attack& attack) {
  const std::uint64_t budget = attack.target.options().settings.value("server_send_buffer_bytes", 1ULL << 30);
  const std::uint64_t before = attack.target.figures().rss_bytes;
  Clients clients = ask_and_forget(attack, attack.is_full() ? 70 : 30, 16, 16U << 20);
  const Clock::duration span = budget < 1ULL << 30 ? 12s : 30s;
  keep_alive(clients, attack.is_full() ? span : Clock::duration(2s), 4s);
  attack.at_most("send memory", static_cast<double>(attack.target.statistic("send_buffer_bytes")) / kMebi,
                 static_cast<double>(budget) / kMebi, "MiB");
  const auto rss = static_cast<double>(attack.target.figures().rss_bytes) - static_cast<double>(before);
  if (!kIsSanitized) {
    attack.at_most("memory grown", rss / kMebi, static_cast<double>(budget) / kMebi * 1.25 + 64, "MiB");
  }
  const auto closed =
      std::ranges::count_if(clients, [](const auto& client) { return client->closed.has_value(); });
  attack.note("attackers closed", static_cast<double>(closed));
}

// A connection has at most 16 MiB in its send buffers; what a program wrote and no connection took, 256 MiB
// in all, in buffers that may be a third larger. Every byte of it is in a statistic.
void fill_write_queues(Attack& attack) {
  const std::uint64_t connections = attack.count(5, 20);
  const auto before = static_cast<double>(attack.target.figures().rss_bytes);
  Clients clients = ask_and_forget(attack, connections, 100, 2U << 20);
  double most = before;
  for (int i = 0; i < (attack.is_full() ? 20 : 3); ++i) {
    keep_alive(clients, 500ms, 4s);
    most = std::max(most, static_cast<double>(figures_of(attack.target.pid()).rss_bytes));
  }
  const auto sent = static_cast<double>(attack.target.statistic("send_buffer_bytes"));
  const auto queued = static_cast<double>(attack.target.statistic("channel_queued_bytes"));
  const auto now = static_cast<double>(attack.target.figures().rss_bytes);
  if (!kIsSanitized) {
    attack.at_most("memory grown", (most - before) / kMebi,
                   static_cast<double>(connections) * 16 + 1.5 * 256 + 64, "MiB");
    attack.at_most("memory outside the statistics", (now - before - sent - 1.5 * queued) / kMebi, 64, "MiB");
  }
  attack.note("send memory", sent / kMebi, "MiB");
  attack.note("queued by the program", queued / kMebi, "MiB");
}

// One client asks for files that it does not read, on as many connections as that takes.
void open_files(Attack& attack) {
  Clients clients;
  const std::uint64_t files = 512;
  for (std::uint64_t i = 0; i < files; i += 100) {
    RawOptions options;
    options.alpn = "hq-interop";
    options.stream_window = 1'000;
    clients.push_back(std::make_unique<RawConnection>(attack.target.address(), options));
    if (!clients.back()->shake_hands()) {
      throw std::runtime_error("no handshake");
    }
    for (std::uint64_t stream = 0; stream < std::min<std::uint64_t>(100, files - i); ++stream) {
      clients.back()->send(frame::stream(4 * stream, 0, bytes_of("GET /big\r\n"), true));
    }
  }
  keep_alive(clients, attack.is_full() ? 10s : 2s, 4s);
  attack.note("descriptors during the attack",
              static_cast<double>(figures_of(attack.target.pid()).descriptors));
}

// The service echoes datagrams to a client that takes none.
void flood_datagrams(Attack& attack) {
  RawOptions options;
  options.alpn = "knul";
  RawConnection client(attack.target.address(), options);
  attack.holds("the handshake completes", client.shake_hands());
  const std::uint64_t before = attack.target.statistic("datagrams_dropped");
  const std::uint64_t wanted = attack.count(20'000, 1'000'000);
  const Bytes payload(1'000, 'd');
  std::vector<Bytes> batch;
  std::uint64_t sent = 0;
  while (sent < wanted && !client.closed) {
    batch.clear();
    for (int i = 0; i < 32; ++i, ++sent) {
      batch.push_back(client.make(Level::kOneRtt, frame::datagram(payload)));
    }
    client.send_datagrams(batch);
  }
  client.drain();
  attack.note("datagrams sent", static_cast<double>(sent));
  attack.at_least("drops counted", static_cast<double>(attack.target.statistic("datagrams_dropped") - before),
                  1);
}

// 16 MiB on one stream in pieces, of which the first byte never comes, on many connections.
void upload_without_beginning(Attack& attack) {
  const std::uint64_t connections = attack.count(20, 200);
  const std::uint64_t before = attack.target.figures().rss_bytes;
  Clients clients;
  const Bytes data(1'100, 'u');
  for (std::uint64_t i = 0; i < connections; ++i) {
    RawOptions options;
    options.alpn = "knul";
    clients.push_back(std::make_unique<RawConnection>(attack.target.address(), options));
    if (!clients.back()->shake_hands()) {
      throw std::runtime_error("no handshake");
    }
    std::vector<Bytes> packets;
    for (std::uint64_t at = 1; at < (250U << 10); at += data.size()) {
      packets.push_back(clients.back()->make(Level::kOneRtt, frame::stream(0, at, data)));
    }
    clients.back()->send_datagrams(packets);
    clients.back()->drain();
  }
  const auto grown = static_cast<double>(attack.target.figures().rss_bytes) - static_cast<double>(before);
  if (!kIsSanitized) {
    attack.at_most("memory for each connection", grown / kMebi / static_cast<double>(connections), 1.25,
                   "MiB");
  }
}

}  // namespace

void add_memory_rows(std::vector<Row>& rows) {
  const nlohmann::json small{{"server_send_buffer_bytes", 64U << 20}};
  const auto add = [&](Row row, bool is_for_sanitizers) {
    row.is_for_sanitizers = is_for_sanitizers;
    rows.push_back(std::move(row));
  };
  for (const std::string service : {"perf", "channel"}) {
    add({"memory",
         "never_acknowledge_" + service,
         "connections with 16 requests each that acknowledge nothing, and a PING "
         "every 4 s; 64 MiB of send memory",
         {service, small},
         &never_acknowledge},
        service == "perf");
  }
  Row full{
      "memory", "never_acknowledge_default", "the same with the default of 1 GiB", {}, &never_acknowledge};
  full.is_for_short = false;
  add(full, false);
  add({"memory",
       "write_queues",
       "connections with 100 requests for 2 MiB through a channel, nothing acknowledged",
       {"channel", nlohmann::json::object()},
       &fill_write_queues},
      false);
  add({"memory",
       "open_files",
       "one client asks for 512 files and reads none",
       {"hq", nlohmann::json::object()},
       &open_files},
      true);
  add({"memory",
       "datagrams",
       "DATAGRAMs echoed to a client that acknowledges none",
       {"echo", nlohmann::json::object()},
       &flood_datagrams},
      true);
  add({"memory",
       "no_beginning",
       "uploads without their first byte",
       {"echo", nlohmann::json::object()},
       &upload_without_beginning},
      true);
}

}  // namespace knul::attack
