// Streams that are opened to be ended, and programs that end them first.
#include <algorithm>
#include <thread>

#include "attack.hpp"

namespace knul::attack {
namespace {

// Opens and resets as many streams as the server allows, which allows more as it forgets them.
void churn(Attack& attack) {
  RawOptions options;
  options.acknowledges = true;
  RawConnection client(attack.target.address(), options);
  attack.holds("the handshake completes", client.shake_hands());
  const std::uint64_t wanted = attack.count(5'000, 1'000'000);
  std::uint64_t opened = 0;
  std::uint64_t most_active = 0;
  const Clock::time_point end = Clock::now() + (attack.is_full() ? 120s : 20s);
  while (opened < wanted && !client.closed && Clock::now() < end) {
    Bytes frames;
    for (; opened < std::min(client.streams_allowed, wanted) && frames.size() < 1'100; ++opened) {
      append(frames, frame::stream(4 * opened, 0, perf_request(1'000)));
      append(frames, frame::reset_stream(4 * opened, 8));
      append(frames, frame::stop_sending(4 * opened));
    }
    if (!frames.empty()) {
      client.send(frames);
      client.drain();
    } else if (!client.read(2s)) {
      break;
    }
    if (opened % 1'024 < 40) {
      most_active = std::max(most_active, attack.target.statistic("streams_active"));
    }
  }
  attack.at_least("streams opened and reset", static_cast<double>(opened), static_cast<double>(wanted));
  attack.at_most("streams at once", static_cast<double>(most_active), 100 + 50);
  const nlohmann::json channel = attack.target.ask("channel");
  attack.at_most("events waiting for the program", channel["backlog_events"].get<double>(), 65'536);
  attack.holds("streams end soon", attack.target.wait([&](const nlohmann::json& now) {
    client.drain();
    return now["streams_active"] < 10;
  }));
}

// For each of these ngtcp2 keeps something until the connection ends; so their number is bounded.
void churn_uni(Attack& attack) {
  RawOptions options;
  options.acknowledges = true;
  RawConnection client(attack.target.address(), options);
  attack.holds("the handshake completes", client.shake_hands());
  std::uint64_t opened = 0;
  while (opened < 20'000 && !client.closed) {
    Bytes frames;
    for (; opened < client.uni_streams_allowed && frames.size() < 1'100; ++opened) {
      append(frames, frame::reset_stream(4 * opened + 2, 0));
    }
    if (!frames.empty()) {
      client.send(frames);
      client.drain();
    } else if (!client.read(2s)) {
      break;
    }
  }
  attack.at_most("streams reset unseen", static_cast<double>(opened), 2'000);
}

// One packet that stops a hundred streams before they begin.
void stop_all(Attack& attack) {
  const std::uint64_t connections = attack.count(20, 200);
  std::vector<std::unique_ptr<RawConnection>> clients;
  const std::uint64_t before = attack.target.figures().rss_bytes;
  for (std::uint64_t i = 0; i < connections; ++i) {
    clients.push_back(std::make_unique<RawConnection>(attack.target.address(), RawOptions{}));
    if (!clients.back()->shake_hands()) {
      throw std::runtime_error("no handshake");
    }
    Bytes frames;
    for (std::uint64_t stream = 0; stream < 100; ++stream) {
      append(frames, frame::stop_sending(4 * stream));
    }
    clients.back()->send(frames);
  }
  for (const auto& client : clients) {
    client->wait([&] { return client->frames_read[2] > 0 || client->closed; }, 2s);
  }
  const auto grown = static_cast<double>(attack.target.figures().rss_bytes) - static_cast<double>(before);
  if (!kIsSanitized) {
    attack.at_most("memory for each connection", grown / 1'024 / static_cast<double>(connections), 200,
                   "KiB");
  }
}

// What the program does contradicts what the peer does, at each event.
void contradict(Attack& attack) {
  const std::uint64_t connections = attack.count(40, 2'000);
  std::uint64_t ended = 0;
  for (std::uint64_t i = 0; i < connections; ++i) {
    RawOptions options;
    options.acknowledges = random_below(2) == 0;
    RawConnection client(attack.target.address(), options);
    client.shake_hands();
    for (std::uint64_t stream = 0; stream < 10 && !client.closed && client.is_confirmed; ++stream) {
      using namespace frame;
      const std::uint64_t id = 4 * stream + (random_below(4) == 0 ? 2 : 0);
      const std::vector<Bytes> ends{
          frame::stream(id, 8, {}, true), reset_stream(id, 8), {}, connection_close(3)};
      Bytes frames = frame::stream(id, 0, perf_request(random_below(20'000)));
      if ((id & 2) == 0 && random_below(2) == 0) {
        append(frames, stop_sending(id));
      }
      append(frames, ends[random_below(stream == 9 ? 4 : 3)]);
      client.send(frames);
      client.read(1ms);
      client.drain();
    }
    if (client.is_confirmed && random_below(2) == 0) {
      client.send(frame::ack(random_below(8)));  // late
    }
    ended += client.closed.has_value() ? 1 : 0;
  }
  attack.note("connections that the program closed", static_cast<double>(ended));
  attack.holds("all end soon",
               attack.target.wait([](const nlohmann::json& now) { return now["active_connections"] < 5; }));
}

// Clients that do not read: the stop ends at its deadline all the same.
void stop_with_slow_readers(Attack& attack) {
  for (const std::uint64_t window : {0, 1'000}) {
    Target other({"perf", nlohmann::json::object()});
    std::vector<std::unique_ptr<RawConnection>> clients;
    for (int i = 0; i < 10; ++i) {
      RawOptions options;
      options.stream_window = window;
      options.acknowledges = true;
      clients.push_back(std::make_unique<RawConnection>(other.address(), options));
      if (!clients.back()->shake_hands()) {
        throw std::runtime_error("no handshake");
      }
      clients.back()->send(frame::stream(0, 0, perf_request(1U << 20), true));
      clients.back()->abandon();
    }
    other.wait([](const nlohmann::json& now) { return now["requests_started"] == 10; });
    constexpr double kDeadlineMs = 500;
    const Clock::time_point begin = Clock::now();
    const nlohmann::json stopped = other.ask("stop 500");
    const double taken = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    const std::string name = "stop with windows of " + std::to_string(window);
    attack.equals(name, std::to_string(stopped["code"].get<int>()), "2000");
    attack.at_most(name, taken, kDeadlineMs + (attack.judges_time() ? 300 : 5'000), "ms");
    attack.equals(name + ": streams cut", std::to_string(stopped["report"]["streams_cut"].get<int>()), "10");
  }
}

}  // namespace

void add_stream_rows(std::vector<Row>& rows) {
  const TargetOptions channel{"channel", nlohmann::json::object()};
  rows.push_back({"streams", "rapid_reset",
                  "streams opened, used for a request, reset and stopped, up to the limit", channel, &churn});
  rows.push_back(
      {"streams", "uni_reset", "unidirectional streams reset before any data", channel, &churn_uni});
  rows.push_back({"streams", "stop_all", "one packet with STOP_SENDING of 100 streams, from many connections",
                  channel, &stop_all});
  rows.push_back({"streams",
                  "contrary",
                  "the program closes, resets, stops and writes in every kind of event while the "
                  "peer goes on",
                  {"contrary", nlohmann::json::object()},
                  &contradict});
  rows.push_back(
      {"streams", "slow_readers", "a stop while ten clients do not read", {}, &stop_with_slow_readers});
}

}  // namespace knul::attack
