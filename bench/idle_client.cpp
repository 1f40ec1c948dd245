// Opens connections and holds them: the client of the idle benchmark.
//   idle_client PORT CONNECTIONS ALPN     prints "ready" when all are open, ends when standard input does
// The line "work" on standard input lets each connection, some at a time, make 64 requests at once and then a
// download of 1 MiB (draft-banks-quic-performance); "worked" follows when the last one has ended.
#include <time.h>
#include <krepis/krepis.hpp>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "number_argument.hpp"

namespace {

constexpr std::uint64_t kHandshakesAtOnce = 64;
constexpr std::size_t kWorkersAtOnce = 8;  // connections
constexpr unsigned kRequestsAtOnce = 64;
constexpr std::size_t kRequestBytes = 64;
constexpr std::uint64_t kAnswerBytes = 1'024;
constexpr std::uint64_t kDownloadBytes = 1 << 20;

struct Progress {
  std::atomic<std::uint64_t> open{0};
  std::atomic<std::uint64_t> worked{0};
  std::atomic<bool> has_failed{false};

  // Blocks. False when a connection was lost.
  bool wait_for(const std::atomic<std::uint64_t>& count, std::uint64_t wanted) const {
    constexpr timespec kPause{0, 1'000'000};
    while (count < wanted && !has_failed) {
      nanosleep(&kPause, nullptr);
    }
    return !has_failed;
  }
};

class Holder final : public krepis::Application {
 public:
  Holder(Progress& progress, std::uint64_t connections) : progress_(progress), states_(connections) {}

  void on_connection(krepis::Connection& connection) override {
    State& state = states_[connection.context()];
    state.connection = &connection;
    connection.set_user(&state);
    ++progress_.open;
  }
  void on_connection_closed(krepis::Connection& /*connection*/,
                            const krepis::CloseReason& /*reason*/) override {
    progress_.has_failed = true;
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    stream.consume(bytes.size());
    State& state = *static_cast<State*>(stream.connection().user());
    if (fin == krepis::Fin::kNo || --state.unanswered > 0) {
      return;
    }
    if (!state.is_downloading) {
      state.is_downloading = true;
      ask(state, 1, kDownloadBytes);
      return;
    }
    ++progress_.worked;
    let_one_work();
  }

  void work() {
    for (std::size_t begun = 0; begun < kWorkersAtOnce; ++begun) {
      let_one_work();
    }
  }

 private:
  struct State {
    krepis::Connection* connection = nullptr;
    unsigned unanswered = 0;
    bool is_downloading = false;
  };

  void let_one_work() {
    if (next_ < states_.size()) {
      ask(states_[next_++], kRequestsAtOnce, kAnswerBytes);
    }
  }

  void ask(State& state, unsigned requests, std::uint64_t answer_bytes) {
    std::array<std::uint8_t, kRequestBytes> request{};
    for (unsigned byte = 0; byte < 8; ++byte) {
      request[byte] = static_cast<std::uint8_t>(answer_bytes >> (56 - 8 * byte));
    }
    state.unanswered = requests;
    for (unsigned made = 0; made < requests; ++made) {
      const auto opened = state.connection->open_stream(krepis::StreamDirection::kBidirectional);
      if (!opened || (*opened)->write(request, krepis::Fin::kYes) != request.size()) {
        progress_.has_failed = true;
      }
    }
  }

  Progress& progress_;
  std::vector<State> states_;  // by context
  std::size_t next_ = 0;
};

bool open_all(krepis::QuicClient& client, const Progress& progress, std::uint16_t port,
              std::uint64_t connections) {
  for (std::uint64_t begun = 0; begun < connections; ++begun) {
    if (begun >= kHandshakesAtOnce && !progress.wait_for(progress.open, begun - kHandshakesAtOnce + 1)) {
      return false;
    }
    if (!client.connect("127.0.0.1", port, "localhost", begun)) {
      return false;
    }
  }
  return progress.wait_for(progress.open, connections);
}

void say(const char* word) {
  std::puts(word);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("use: idle_client PORT CONNECTIONS ALPN\n", stderr);
    return 2;
  }
  const auto port = knul::bench::number_argument<std::uint16_t>("PORT", argv[1], 1);
  const auto connections = knul::bench::number_argument<std::uint64_t>("CONNECTIONS", argv[2], 1);
  Progress progress;
  krepis::ClientOptions options;
  options.alpn = {argv[3]};
  options.verify_peer = false;
  options.idle_timeout_ms = 600'000;
  options.resume_sessions = false;  // connections of strangers
  auto application = std::make_unique<Holder>(progress, connections);
  Holder* const holder = application.get();
  auto client = krepis::QuicClient::start(options, std::move(application));
  if (!client || !open_all(**client, progress, port, connections)) {
    std::fprintf(stderr, "idle_client: %s connections to port %s did not all open\n", argv[2], argv[1]);
    return 1;
  }
  say("ready");
  std::array<char, 16> line{};
  while (std::fgets(line.data(), static_cast<int>(line.size()), stdin) != nullptr) {
    if (std::string_view(line.data()) == "work\n" && (*client)->post([holder] { holder->work(); }) &&
        progress.wait_for(progress.worked, connections)) {
      say("worked");
    }
  }
  return progress.has_failed ? 1 : 0;
}
