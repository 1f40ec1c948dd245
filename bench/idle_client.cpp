// Opens connections and holds them: the client of the idle benchmark.
//   idle_client PORT CONNECTIONS     prints "ready" when all are open, ends when standard input does
#include <krepis/krepis.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

struct Progress {
  std::atomic<unsigned> open{0};
  std::atomic<unsigned> closed{0};
};

class Holder final : public krepis::Application {
 public:
  explicit Holder(Progress& progress) : progress_(progress) {}
  void on_connection(krepis::Connection&) override { ++progress_.open; }
  void on_connection_closed(krepis::Connection&, const krepis::CloseReason&) override { ++progress_.closed; }

 private:
  Progress& progress_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("use: idle_client PORT CONNECTIONS\n", stderr);
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto wanted = static_cast<unsigned>(std::atoi(argv[2]));
  Progress progress;
  krepis::ClientOptions options;
  options.verify_peer = false;
  options.idle_timeout_ms = 600'000;
  options.resume_sessions = false;  // connections of strangers
  auto client = krepis::QuicClient::start(options, std::make_unique<Holder>(progress));
  if (!client) {
    std::fprintf(stderr, "idle_client: %s\n", client.error().message.c_str());
    return 1;
  }
  constexpr unsigned kAtOnce = 64;
  for (unsigned started = 0; started < wanted; ++started) {
    while (started - progress.open >= kAtOnce && progress.closed == 0)
      std::this_thread::yield();
    if (progress.closed > 0 || !(*client)->connect("127.0.0.1", port, "localhost", started))
      break;
  }
  while (progress.open < wanted && progress.closed == 0)
    std::this_thread::yield();
  std::puts(progress.closed == 0 ? "ready" : "failed");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return progress.closed == 0 ? 0 : 1;
}
