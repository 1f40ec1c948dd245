// The descriptors of the program: what a peer can make a server say never stops it. On `knul serve` as users
// run it.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "attack.hpp"
#include "initial_forge.hpp"

namespace knul::attack {
namespace {

// Small, so that it is full soon.
struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe");
    }
    read_end = ends[0];
    write_end = ends[1];
    fcntl(write_end, F_SETPIPE_SZ, 4'096);
  }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  void close_reader() { close_end(read_end); }
  void close_writer() { close_end(write_end); }

 private:
  static void close_end(int& end) {
    if (end >= 0) {
      close(end);
      end = -1;
    }
  }
};

class Served {
 public:
  explicit Served(int standard_error, const std::vector<std::string>& more = {})
      : child_(command(more), {}, standard_error) {
    address_.port = nlohmann::json::parse(child_.read_line())["port"];
  }
  Child& child() { return child_; }
  [[nodiscard]] Address address() const { return address_; }

 private:
  static std::vector<std::string> command(const std::vector<std::string>& more) {
    std::vector<std::string> words{KNUL_COMMAND,
                                   "serve",
                                   "--json",
                                   "--port",
                                   "0",
                                   "--service",
                                   "perf",
                                   "--cert",
                                   test_folder() + "/attack.cert.pem",
                                   "--key",
                                   test_folder() + "/attack.key.pem"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Child child_;
  Address address_;
};

Oracle oracle_for(const Served& served) {
  Oracle::Options options;
  options.server = served.address();
  const Bytes request = perf_request(100);
  options.request = {request.begin(), request.end()};
  return Oracle(options);
}

// Handshakes that the server refuses, and says so in its log.
void send_foreign(Address server, std::uint64_t number) {
  const InitialForge forge("no such protocol");
  const Udp socket;
  for (std::uint64_t i = 0; i < number; ++i) {
    socket.send(server, forge.make());
    if (i % 16 == 0) {
      std::this_thread::sleep_for(1ms);
    }
  }
}

void expect_end(Attack& attack, Served& served) {
  const Clock::time_point begin = Clock::now();
  served.child().signal(SIGTERM);
  attack.holds("the server ends", served.child().wait_end(kIsSanitized ? 60s : 15s));
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  attack.at_most("after SIGTERM", seconds, attack.judges_time() ? 6 : 15, "s");
}

void expect_oracle(Attack& attack, Oracle& oracle) {
  std::this_thread::sleep_for(1s);
  const OracleReport report = oracle.report();
  attack.at_least("oracle requests", static_cast<double>(report.requests), 5);
  attack.at_most("oracle failures", static_cast<double>(report.failures), 0);
}

void fill_standard_error(Attack& attack) {
  Pipe pipe;
  Served served(pipe.write_end);
  Oracle oracle = oracle_for(served);
  send_foreign(served.address(), attack.count(400, 4'000));
  expect_oracle(attack, oracle);
  expect_end(attack, served);
}

void close_standard_error(Attack& attack) {
  Pipe pipe;
  Served served(pipe.write_end);
  pipe.close_reader();
  Oracle oracle = oracle_for(served);
  send_foreign(served.address(), attack.count(100, 4'000));
  expect_oracle(attack, oracle);
  attack.holds("the server runs", served.child().is_alive());
  expect_end(attack, served);
}

void fill_log(Attack& attack) {
  Pipe pipe;
  Served served(pipe.write_end);
  pipe.close_writer();
  std::atomic<std::uint64_t> bytes{0};
  std::thread reader([&] {
    char buffer[65'536];
    for (ssize_t got = 0; (got = read(pipe.read_end, buffer, sizeof buffer)) > 0;) {
      bytes += static_cast<std::uint64_t>(got);
    }
  });
  const InitialForge forge("no such protocol");
  const Udp socket;
  std::uint64_t sent = 0;
  while (attack.goes_on()) {
    for (int i = 0; i < 16; ++i, ++sent) {
      socket.send(served.address(), forge.make());
    }
    std::this_thread::sleep_for(1ms);
  }
  expect_end(attack, served);
  reader.join();
  attack.note("handshakes", static_cast<double>(sent));
  attack.at_most("log", static_cast<double>(bytes.load()) / 1'024, 256, "KiB");
}

// Statistics that nobody reads, of which one line is more than the pipe holds.
void fill_standard_output(Attack& attack) {
  Served served(2, {"--stats-interval", "1"});
  served.child().shrink_output(4'096);
  Oracle oracle = oracle_for(served);
  std::this_thread::sleep_for(3s);
  expect_oracle(attack, oracle);
  expect_end(attack, served);
}

}  // namespace

void add_host_rows(std::vector<Row>& rows) {
  const auto add = [&](const char* name, const char* words, void (*run)(Attack&)) {
    Row row{"host", name, words, {}, run};
    row.has_oracle = false;  // each brings its own
    rows.push_back(row);
  };
  add("unread_log", "400 handshakes with an unsupported ALPN while standard error is not read",
      &fill_standard_error);
  add("closed_log", "the same with standard error closed by its reader", &close_standard_error);
  add("log_volume", "the same for ten seconds at full rate, with a reader", &fill_log);
  add("unread_output", "statistics every second that are not read, then SIGTERM", &fill_standard_output);
}

}  // namespace knul::attack
