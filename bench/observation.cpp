// Measures the cost of statistics and connection lists on a server with many connections, and how long they
// delay its workers.
//   observation IDLE_CLIENT CONNECTIONS WORKERS CERTIFICATE KEY
// opens CONNECTIONS by the program IDLE_CLIENT and prints one JSON line: medians and the longest time of each
// question, and the longest turn of a worker without and with questions.
#include <krepis/krepis.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "number_argument.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "observation: %s\n", why.c_str());
  std::exit(1);
}

// Measures the turns of its worker: a task that posts itself again runs once in each.
class Turns final : public krepis::Application {
 public:
  explicit Turns(std::vector<std::atomic<std::int64_t>>& longest, unsigned worker)
      : longest_(longest[worker]) {}

  void on_start(krepis::Worker& worker) override { measure(worker, Clock::now()); }
  void on_connection_closed(krepis::Connection& /*connection*/,
                            const krepis::CloseReason& /*reason*/) override {}

 private:
  void measure(krepis::Worker& worker, Clock::time_point last) {
    worker.post([this, &worker, last] {
      const Clock::time_point now = Clock::now();
      longest_ = std::max<std::int64_t>(longest_, nanoseconds(now - last).count());
      measure(worker, now);
    });
  }

  std::atomic<std::int64_t>& longest_;  // written by two threads, so a value may be lost; there are many
};

struct Cost {
  double median_us = 0;
  double longest_us = 0;
};

Cost measure(int times, const std::function<void()>& ask) {
  std::vector<double> each;
  for (int i = 0; i < times; ++i) {
    const auto begin = Clock::now();
    ask();
    each.push_back(static_cast<double>(nanoseconds(Clock::now() - begin).count()) / 1e3);
  }
  std::ranges::sort(each);
  return {each[each.size() / 2], each.back()};
}

class Server {
 public:
  Server(unsigned workers, const char* certificate, const char* key) : longest_(workers) {
    krepis::ServerOptions options;
    options.host = "127.0.0.1";
    options.port = 0;
    options.workers = workers;
    options.cert_path = certificate;
    options.key_path = key;
    options.idle_timeout_ms = 600'000;
    options.max_connections = 1'000'000;
    auto started = krepis::QuicServer::start(
        options, [this](unsigned worker) { return std::make_unique<Turns>(longest_, worker); });
    if (!started) {
      fail(started.error().message);
    }
    server_ = *std::move(started);
  }

  krepis::QuicServer& operator*() { return *server_; }
  krepis::QuicServer* operator->() { return server_.get(); }
  // The longest turn of a worker in microseconds, the median of `rounds` rounds in which `work` runs once.
  double longest_turn(int rounds, const std::function<void()>& work) {
    std::vector<double> longest;
    for (int round = 0; round < rounds; ++round) {
      std::ranges::for_each(longest_, [](auto& value) { value = 0; });
      work();
      longest.push_back(static_cast<double>(*std::ranges::max_element(longest_)) / 1e3);
    }
    std::ranges::sort(longest);
    return longest[longest.size() / 2];
  }

 private:
  std::vector<std::atomic<std::int64_t>> longest_;  // by worker, in ns
  std::unique_ptr<krepis::QuicServer> server_;
};

void print(const char* name, const Cost& cost) {
  std::printf(",\"%s_us\":%.1f,\"%s_longest_us\":%.1f", name, cost.median_us, name, cost.longest_us);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("use: observation IDLE_CLIENT CONNECTIONS WORKERS CERTIFICATE KEY\n", stderr);
    return 2;
  }
  const std::string connections =
      std::to_string(knul::bench::number_argument<unsigned>("CONNECTIONS", argv[2], 1));
  Server server(knul::bench::number_argument<unsigned>("WORKERS", argv[3], 1, 64), argv[4], argv[5]);
  const std::string command =
      std::string(argv[1]) + ' ' + std::to_string(server->port()) + ' ' + connections + " knul";
  FILE* const client = ::popen((command + "; true").c_str(), "r");
  if (client == nullptr || std::fgetc(client) != 'r') {
    fail(connections + " connections did not open: " + command);
  }
  std::string text;
  const auto ask_page = [&](const char* query) {
    return [&text, &server, query] {
      text.clear();
      if (const auto answered = server->query_connections(text, query); !answered) {
        fail(answered.error().message);
      }
    };
  };
  const auto first_page = ask_page(R"({"limit":100,"sort":"bytes_received","descending":true})");
  std::printf("{\"connections\":%s", connections.c_str());
  print("get_stats", measure(2'000, [&] {
          text.clear();
          server->stats_json(text);
        }));
  print("metrics", measure(500, [&] {
          text.clear();
          server->metrics_text(text);
        }));
  print("first_page", measure(50, first_page));
  print("first_page_by_id", measure(50, ask_page(R"({"limit":100})")));
  std::printf(",\"turn_us\":%.1f",
              server.longest_turn(50, [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }));
  std::printf(",\"turn_with_page_us\":%.1f}\n", server.longest_turn(50, first_page));
  std::fflush(stdout);
  std::_Exit(0);  // skips the destructors; the client ends when its inherited standard input closes
}
