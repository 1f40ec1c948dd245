// Keeps datagrams of 1,000 bytes under way to a server that sends them back, and counts those that return.
//   datagram_client PORT SECONDS IN_FLIGHT     prints one JSON object
#include <krepis/krepis.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "number_argument.hpp"

namespace {

constexpr std::size_t kDatagramBytes = 1000;
constexpr std::chrono::milliseconds kRefill{20};

struct Progress {
  std::atomic<unsigned long> sent{0};
  std::atomic<unsigned long> returned{0};
  std::atomic<bool> is_connected{false};
  std::atomic<bool> is_closed{false};
};

// Each datagram that returns is replaced by another; what was lost is replaced when nothing moves.
class Pinger final : public krepis::Application {
 public:
  Pinger(Progress& progress, unsigned in_flight) : progress_(progress), in_flight_(in_flight) {}

  void on_start(krepis::Worker& worker) override { worker_ = &worker; }

  void on_connection(krepis::Connection& connection) override {
    connection_ = &connection;
    progress_.is_connected = true;
    refill();
  }

  void on_connection_closed(krepis::Connection&, const krepis::CloseReason&) override {
    connection_ = nullptr;
    progress_.is_closed = true;
  }

  void on_datagram(krepis::Connection&, std::span<const std::uint8_t>) override {
    ++progress_.returned;
    send();
  }

 private:
  void send() {
    if (connection_->send_datagram(payload_))
      ++progress_.sent;
  }

  void refill() {
    if (connection_ == nullptr)
      return;
    if (progress_.returned == returned_before_) {
      for (unsigned sent = 0; sent < in_flight_; ++sent)
        send();
    }
    returned_before_ = progress_.returned;
    worker_->call_after(kRefill, [this] { refill(); });
  }

  Progress& progress_;
  unsigned in_flight_;
  krepis::Worker* worker_ = nullptr;
  krepis::Connection* connection_ = nullptr;
  unsigned long returned_before_ = 0;
  std::array<std::uint8_t, kDatagramBytes> payload_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("use: datagram_client PORT SECONDS IN_FLIGHT\n", stderr);
    return 2;
  }
  const auto port = knul::bench::number_argument<std::uint16_t>("PORT", argv[1], 1);
  const std::chrono::duration<double> wanted{std::atof(argv[2])};
  Progress progress;
  krepis::ClientOptions options;
  options.verify_peer = false;
  options.alpn = {"perf"};
  auto pinger =
      std::make_unique<Pinger>(progress, knul::bench::number_argument<unsigned>("IN_FLIGHT", argv[3], 1));
  auto client = krepis::QuicClient::start(options, std::move(pinger));
  if (!client || !(*client)->connect("127.0.0.1", port, "localhost", 0)) {
    std::fputs("datagram_client: cannot start\n", stderr);
    return 1;
  }
  while (!progress.is_connected && !progress.is_closed)
    std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  while (!progress.is_closed && std::chrono::steady_clock::now() - begin < wanted)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const unsigned long returned = progress.returned;
  std::printf("{\"datagrams_per_second\":%.0f,\"sent\":%lu,\"returned\":%lu}\n",
              static_cast<double>(returned) / taken.count(), progress.sent.load(), returned);
  return progress.is_closed ? 1 : 0;
}
