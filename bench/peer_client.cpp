// The client of comparisons with servers that do not speak the protocol perf: opens connections, some at a
// time, downloads so many bytes over each and closes it. The same client for both sides: only the request
// differs.
//   peer_client PORT perf|h3 SERVER_PID CONNECTIONS PARALLEL BYTES      prints one JSON line
// HTTP/3 is asked for GET /BYTES, which ngtcp2's server answers with so many bytes of its own.
#include <time.h>
#include <krepis/krepis.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "number_argument.hpp"

namespace {

using Bytes = std::basic_string<std::uint8_t>;

void append(Bytes& to, std::string_view text) { to.append(text.begin(), text.end()); }

// RFC 9114 §7.2.2, RFC 9204 §4.5: one HEADERS frame of four lines from QPACK's static table, no dynamic one.
Bytes http3_request(std::uint64_t bytes) {
  const std::string path = "/" + std::to_string(bytes);
  Bytes block = {0x00, 0x00, 0xc0 | 17, 0xc0 | 23, 0x50, 9};  // :method GET, :scheme https, :authority
  append(block, "localhost");
  block += {0x51, static_cast<std::uint8_t>(path.size())};  // :path
  append(block, path);
  return Bytes{0x01, static_cast<std::uint8_t>(block.size())} + block;
}

// draft-banks-quic-performance
Bytes perf_request(std::uint64_t bytes) {
  Bytes request;
  for (int shift = 56; shift >= 0; shift -= 8) {
    request.push_back(static_cast<std::uint8_t>(bytes >> shift));
  }
  return request;
}

struct Plan {
  std::uint16_t port = 0;
  bool is_http3 = false;
  clockid_t server_clock{};
  std::uint64_t connections = 0;
  std::uint64_t parallel = 0;
  std::uint64_t bytes = 0;
};

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

class Downloads final : public krepis::Application {
 public:
  explicit Downloads(const Plan& plan)
      : plan_(plan), request_(plan.is_http3 ? http3_request(plan.bytes) : perf_request(plan.bytes)) {}

  void start(krepis::QuicClient& client) {
    client_ = &client;
    seconds_ = -seconds_of(CLOCK_MONOTONIC);
    server_cpu_ = -seconds_of(plan_.server_clock);
    for (std::uint64_t begun = 0; begun < plan_.parallel; ++begun) {
      begin_one();
    }
  }
  // Blocks. False when a connection was lost.
  bool wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return has_ended_; });
    return completed_ == plan_.connections;
  }
  void print() const {
    std::printf("{\"seconds\":%.6f,\"server_cpu_seconds\":%.6f}\n", seconds_, server_cpu_);
  }

  void on_connection(krepis::Connection& connection) override {
    if (plan_.is_http3) {  // RFC 9114 §6.2.1: the control stream begins with SETTINGS
      constexpr std::uint8_t kControl[] = {0x00, 0x04, 0x00};
      if (const auto control = connection.open_stream(krepis::StreamDirection::kUnidirectional)) {
        (*control)->write(kControl, krepis::Fin::kNo);
      }
    }
    if (const auto stream = connection.open_stream(krepis::StreamDirection::kBidirectional)) {
      (*stream)->write(request_, krepis::Fin::kYes);
      (*stream)->set_user(&downloads_[connection.context()]);
    }
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    stream.consume(bytes.size());
    auto* const download = static_cast<Download*>(stream.user());
    if (download == nullptr) {
      return;  // HTTP/3's control stream
    }
    download->received += bytes.size();
    if (fin == krepis::Fin::kYes) {
      download->is_complete = download->received >= plan_.bytes;
      stream.connection().close(plan_.is_http3 ? 0x100 : 0, {});  // RFC 9114 §8.1: H3_NO_ERROR
    }
  }
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& /*reason*/) override {
    const bool is_complete = downloads_[connection.context()].is_complete;
    downloads_.erase(connection.context());
    completed_ += is_complete ? 1 : 0;
    if (is_complete && completed_ < plan_.connections) {
      begin_one();
      return;
    }
    const std::lock_guard lock(mutex_);
    if (!has_ended_) {
      seconds_ += seconds_of(CLOCK_MONOTONIC);
      server_cpu_ += seconds_of(plan_.server_clock);
      has_ended_ = true;
      ended_.notify_all();
    }
  }

 private:
  struct Download {
    std::uint64_t received = 0;
    bool is_complete = false;
  };

  void begin_one() {
    if (begun_ < plan_.connections) {
      static_cast<void>(client_->connect("127.0.0.1", plan_.port, "localhost", begun_++));
    }
  }

  const Plan plan_;
  const Bytes request_;
  krepis::QuicClient* client_ = nullptr;
  std::unordered_map<std::uint64_t, Download> downloads_;  // by context
  std::uint64_t begun_ = 0;
  std::uint64_t completed_ = 0;
  double seconds_ = 0;
  double server_cpu_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool has_ended_ = false;
};

int run(const Plan& plan) {
  krepis::ClientOptions options;
  options.alpn = {plan.is_http3 ? "h3" : "perf"};
  options.verify_peer = false;
  options.resume_sessions = false;  // the peer's client does not resume either
  auto application = std::make_unique<Downloads>(plan);
  Downloads* const downloads = application.get();
  auto client = krepis::QuicClient::start(options, std::move(application));
  if (!client || !(*client)->post([downloads, &client = **client] { downloads->start(client); })) {
    std::fputs("peer_client: no client\n", stderr);
    return 1;
  }
  if (!downloads->wait()) {
    std::fputs("peer_client: a connection ended before its answer\n", stderr);
    return 1;
  }
  downloads->print();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs("use: peer_client PORT perf|h3 SERVER_PID CONNECTIONS PARALLEL BYTES\n", stderr);
    return 2;
  }
  Plan plan;
  plan.port = knul::bench::number_argument<std::uint16_t>("PORT", argv[1], 1);
  plan.is_http3 = std::string_view(argv[2]) == "h3";
  plan.connections = knul::bench::number_argument<std::uint64_t>("CONNECTIONS", argv[4]);
  plan.parallel = knul::bench::number_argument<std::uint64_t>("PARALLEL", argv[5]);
  plan.bytes = knul::bench::number_argument<std::uint64_t>("BYTES", argv[6]);
  if (clock_getcpuclockid(knul::bench::number_argument<int>("SERVER_PID", argv[3], 1), &plan.server_clock) !=
      0) {
    std::fprintf(stderr, "peer_client: there is no process %s\n", argv[3]);
    return 2;
  }
  return run(plan);
}
