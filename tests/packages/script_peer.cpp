// A peer that does what its input says, for the tests of the TypeScript packages: each line of the standard
// input is
//   PORT STEP,STEP,…
// and one connection to 127.0.0.1:PORT. Steps without a pause between them happen in one turn of the client,
// so that the server gets them in as few packets as possible. When all lines are done, or 20 seconds have
// passed, it prints how many connections were made and ended, and exits without a goodbye: what is still open
// vanishes.
//
//   b         opens a bidirectional stream; streams are numbered from 0, refused ones included
//   u         opens a unidirectional stream
//   wI:N      writes N bytes on stream I      fI      ends stream I
//   rI:CODE   RESET_STREAM                    sI:CODE STOP_SENDING
//   d:N       a DATAGRAM of N bytes
//   pN        waits N milliseconds            a       waits for anything from the server, 300 ms at most
//   gMODE     what to do with bytes and streams of the server from now on: "read", "hold" (no credit), "stop"
//             (STOP_SENDING each stream at its first byte), "reset" (the same, and RESET_STREAM)
//   c:CODE    closes the connection           v       does nothing any more
#include <unistd.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <krepis/krepis.hpp>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

struct Script {
  std::uint16_t port = 0;
  std::vector<std::string> steps;
  std::size_t next = 0;
  std::vector<krepis::StreamId> streams;
  std::string mode = "read";
  krepis::Connection* connection = nullptr;
  std::uint64_t awaits = 0;  // number of the wait for the server that is under way; 0: none
  std::uint64_t waits = 0;
  bool is_done = false;
};

struct Counts {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::size_t done = 0;
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// The numbers of a step: "w2:100" is {2, 100}, "c:7" is {0, 7}.
struct Numbers {
  explicit Numbers(const std::string& step) {
    const auto parts = split(step.substr(1), ':');
    first = std::strtoull(parts[0].c_str(), nullptr, 10);
    second = parts.size() > 1 ? std::strtoull(parts[1].c_str(), nullptr, 10) : 0;
  }
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

// Thread: the client's.
class ScriptPeer final : public krepis::Application {
 public:
  ScriptPeer(std::vector<Script>& scripts, Counts& counts, std::function<void()> on_all_done)
      : scripts_(scripts), counts_(counts), on_all_done_(std::move(on_all_done)) {}

  void on_start(krepis::Worker& worker) override { worker_ = &worker; }

  void on_connection(krepis::Connection& connection) override {
    Script& script = script_of(connection);
    script.connection = &connection;
    ++counts_.opened;
    run(script);
  }

  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& /*reason*/) override {
    Script& script = script_of(connection);
    script.connection = nullptr;
    ++counts_.closed;
    finish(script);
  }

  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                      krepis::Fin /*fin*/) override {
    Script& script = script_of(stream.connection());
    if (script.mode == "stop" || script.mode == "reset") {
      stream.stop_sending(71);
      if (script.mode == "reset" && stream.direction() == krepis::StreamDirection::kBidirectional) {
        stream.reset(72);
      }
    }
    if (script.mode != "hold") {
      stream.consume(bytes.size());
    }
    hear(script);
  }
  void on_stream_reset(krepis::Stream& stream, std::uint64_t) override {
    hear(script_of(stream.connection()));
  }
  void on_stop_sending(krepis::Stream& stream, std::uint64_t) override {
    hear(script_of(stream.connection()));
  }
  void on_datagram(krepis::Connection& connection, std::span<const std::uint8_t>) override {
    hear(script_of(connection));
  }

 private:
  Script& script_of(const krepis::Connection& connection) { return scripts_[connection.context()]; }

  void hear(Script& script) {
    if (script.awaits != 0) {
      go_on(script, script.awaits);
    }
  }

  // Not from inside the callback that was heard.
  void go_on(Script& script, std::uint64_t wait) {
    if (script.awaits != wait) {
      return;
    }
    script.awaits = 0;
    worker_->post([this, &script] { run(script); });
  }

  void finish(Script& script) {
    if (!std::exchange(script.is_done, true) && ++counts_.done == scripts_.size()) {
      on_all_done_();
    }
  }

  void run(Script& script) {
    while (script.connection != nullptr && script.next < script.steps.size()) {
      if (!step(script, script.steps[script.next++])) {
        return;
      }
    }
    finish(script);
  }

  // False: it waits.
  bool step(Script& script, const std::string& text) {
    const Numbers numbers(text);
    switch (text[0]) {
      case 'p':
        worker_->call_after(std::chrono::milliseconds(numbers.first), [this, &script] { run(script); });
        return false;
      case 'a': {
        const std::uint64_t wait = script.awaits = ++script.waits;
        worker_->call_after(300ms, [this, &script, wait] { go_on(script, wait); });
        return false;
      }
      case 'g':
        script.mode = text.substr(1);
        return true;
      case 'c':
        script.connection->close(numbers.second, "as the script says");
        return true;
      case 'd':
        script.connection->send_datagram(std::vector<std::uint8_t>(numbers.second, 'd'));
        return true;
      case 'b':
      case 'u':
        open(script, text[0] == 'b');
        return true;
      case 'v':
        finish(script);
        return false;
      default:
        step_stream(script, text[0], numbers);
        return true;
    }
  }

  static void open(Script& script, bool is_bidirectional) {
    const auto opened =
        script.connection->open_stream(is_bidirectional ? krepis::StreamDirection::kBidirectional
                                                        : krepis::StreamDirection::kUnidirectional);
    script.streams.push_back(opened ? (*opened)->id() : ~krepis::StreamId{0});
  }

  static void step_stream(Script& script, char kind, const Numbers& numbers) {
    if (numbers.first >= script.streams.size()) {
      return;
    }
    krepis::Stream* const stream = script.connection->find_stream(script.streams[numbers.first]);
    if (stream == nullptr) {
      return;
    }
    switch (kind) {
      case 'w':
        stream->write(std::vector<std::uint8_t>(numbers.second, 'w'), krepis::Fin::kNo);
        return;
      case 'f':
        stream->write(std::span<const std::uint8_t>{}, krepis::Fin::kYes);
        return;
      case 'r':
        stream->reset(numbers.second);
        return;
      case 's':
        if (stream->direction() == krepis::StreamDirection::kBidirectional) {
          stream->stop_sending(numbers.second);
        }
        return;
      default:
        std::fprintf(stderr, "script_peer: unknown step %c\n", kind);
        std::_Exit(2);
    }
  }

  std::vector<Script>& scripts_;
  Counts& counts_;
  std::function<void()> on_all_done_;
  krepis::Worker* worker_ = nullptr;
};

std::vector<Script> read_scripts() {
  std::vector<Script> scripts;
  for (std::string line; std::getline(std::cin, line);) {
    const auto parts = split(line, ' ');
    if (parts.size() == 2) {
      scripts.emplace_back();
      scripts.back().port = static_cast<std::uint16_t>(std::strtoul(parts[0].c_str(), nullptr, 10));
      scripts.back().steps = split(parts[1], ',');
    }
  }
  return scripts;
}

}  // namespace

int main() {
  auto scripts = read_scripts();
  Counts counts;
  const auto say_and_vanish = [&] {
    std::printf("%zu scripts: %zu done, %lu opened, %lu closed\n", scripts.size(), counts.done, counts.opened,
                counts.closed);
    std::fflush(stdout);
    std::_Exit(scripts.empty() || counts.opened == 0 ? 1 : 0);
  };
  krepis::ClientOptions options;
  options.verify_peer = false;
  options.handshake_timeout_ms = 10'000;
  const auto client =
      krepis::QuicClient::start(options, std::make_unique<ScriptPeer>(scripts, counts, say_and_vanish));
  if (!client) {
    std::fprintf(stderr, "script_peer: no client\n");
    return 1;
  }
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    if (!(*client)->connect("127.0.0.1", scripts[i].port, "localhost", i)) {
      std::fprintf(stderr, "script_peer: no connection for line %zu\n", i + 1);
      return 1;
    }
  }
  std::this_thread::sleep_for(20s);
  (*client)->post(say_and_vanish);
  std::this_thread::sleep_for(5s);
  return 1;
}
