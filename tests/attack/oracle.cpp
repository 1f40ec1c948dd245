#include "oracle.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <krepis/krepis.hpp>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace knul::attack {
namespace {

constexpr auto kInterval = 50ms;
constexpr std::size_t kRequestsPerConnection = 20;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double percentile_99(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  std::ranges::sort(values);
  return values[(values.size() * 99 - 1) / 100];
}

// Sends a datagram to a thread that sends it back, as often as the oracle asks.
class Machine {
 public:
  Machine() : echo_([this] { echo(); }), asker_([this] { ask(); }) {}
  ~Machine() {
    is_over_ = true;
    asker_.join();
    echo_.join();
  }
  double take_p99() {
    const std::lock_guard lock(mutex_);
    return percentile_99(std::exchange(delays_, {}));
  }

 private:
  void echo() {
    while (!is_over_) {
      Address from;
      if (const auto datagram = right_.receive(100ms, &from)) {
        right_.send(from, *datagram);
      }
    }
  }
  void ask() {
    while (!is_over_) {
      const Clock::time_point begin = Clock::now();
      left_.send(right_.local(), Bytes(100));
      std::ignore = left_.receive(1s);
      const Clock::duration taken = Clock::now() - begin;
      {
        const std::lock_guard lock(mutex_);
        delays_.push_back(milliseconds(taken));
      }
      std::this_thread::sleep_until(begin + kInterval);
    }
  }
  Udp left_{1}, right_{1};
  std::atomic<bool> is_over_{false};
  std::mutex mutex_;
  std::vector<double> delays_;
  std::thread echo_, asker_;
};

}  // namespace

struct Oracle::Impl {
  // Thread: all of it on the client's, but for what the mutex guards.
  class Client final : public krepis::Application {
   public:
    explicit Client(Impl& impl) : impl_(impl) {}
    void on_start(krepis::Worker& worker) override {
      worker_ = &worker;
      tick();
    }
    void on_connection(krepis::Connection& connection) override {
      Session& session = sessions_[connection.context()];
      session.connection = &connection;
      for (const Clock::time_point begin : std::exchange(session.waiting, {})) {
        ask(session, begin);
      }
    }
    void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override {
      const auto found = sessions_.find(connection.context());
      if (found == sessions_.end()) {
        return;
      }
      const std::size_t cut = found->second.waiting.size() + found->second.open.size();
      for (std::size_t i = 0; i < cut; ++i) {
        impl_.fail("closed by source " + std::to_string(static_cast<int>(reason.source)) + ", code " +
                   std::to_string(reason.code) + " " + reason.reason);
      }
      sessions_.erase(found);
    }
    void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                        krepis::Fin fin) override {
      stream.consume(bytes.size());
      const std::uint64_t number = stream.connection().context();
      auto& open = sessions_[number].open;
      if (const auto found = open.find(stream.id()); fin == krepis::Fin::kYes && found != open.end()) {
        impl_.succeed(Clock::now() - found->second);
        open.erase(found);
        close_if_done(number);
      }
    }
    void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override {
      const std::uint64_t number = stream.connection().context();
      if (sessions_[number].open.erase(stream.id()) > 0) {
        impl_.fail("stream reset with code " + std::to_string(code));
        close_if_done(number);
      }
    }

   private:
    struct Session {
      krepis::Connection* connection = nullptr;
      std::vector<Clock::time_point> waiting;  // for the handshake
      std::map<krepis::StreamId, Clock::time_point> open;
    };

    void tick() {
      worker_->call_after(kInterval, [this] { tick(); });
      if (impl_.is_paused) {
        return;
      }
      if (asked_++ % kRequestsPerConnection == 0) {
        const std::uint64_t before = current_++;
        sessions_[current_];
        const Address& server = impl_.options.server;
        if (!impl_.client->connect("127.0.0.1", server.port, "localhost", current_)) {
          sessions_.erase(current_);  // the request below fails
        }
        close_if_done(before);
      }
      impl_.begin();
      const auto session = sessions_.find(current_);
      if (session == sessions_.end()) {
        impl_.fail("the connection had ended");
      } else if (session->second.connection == nullptr) {
        session->second.waiting.push_back(Clock::now());
      } else {
        ask(session->second, Clock::now());
      }
    }

    void ask(Session& session, Clock::time_point begin) {
      const auto stream = session.connection->open_stream(krepis::StreamDirection::kBidirectional);
      if (!stream) {
        impl_.fail("no stream: " + stream.error().message);
        return;
      }
      const std::string& request = impl_.options.request;
      session.open.emplace((*stream)->id(), begin);
      (*stream)->write({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()},
                       krepis::Fin::kYes);
    }

    void close_if_done(std::uint64_t number) {
      const auto found = sessions_.find(number);
      if (number != current_ && found != sessions_.end() && found->second.connection != nullptr &&
          found->second.open.empty() && found->second.waiting.empty()) {
        found->second.connection->close(0, "");
      }
    }

    Impl& impl_;
    krepis::Worker* worker_ = nullptr;
    std::uint64_t current_ = 0, asked_ = 0;
    std::map<std::uint64_t, Session> sessions_;
  };

  void begin() {
    const std::lock_guard lock(mutex);
    ++requests;
    ++out;
  }
  void end() {
    --out;
    changed.notify_all();
  }
  void fail(const std::string& why) {
    const std::lock_guard lock(mutex);
    first_failure = failures++ == 0 ? why : first_failure;
    end();
  }
  void succeed(Clock::duration taken) {
    const std::lock_guard lock(mutex);
    delays.push_back(milliseconds(taken));
    end();
  }

  Options options;
  std::atomic<bool> is_paused{true};
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t requests = 0, failures = 0;
  std::ptrdiff_t out = 0;
  std::string first_failure;
  std::vector<double> delays;
  Machine machine;
  std::unique_ptr<krepis::QuicClient> client;  // the last member: its thread uses the others
};

Oracle::Oracle(const Options& options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  krepis::ClientOptions client_options;
  client_options.verify_peer = false;
  client_options.resume_sessions = false;
  client_options.alpn = {options.alpn};
  client_options.hibernate_after_ms = 0;
  client_options.idle_timeout_ms = static_cast<std::uint64_t>(options.patience.count());
  client_options.handshake_timeout_ms = client_options.idle_timeout_ms;
  auto started = krepis::QuicClient::start(client_options, std::make_unique<Impl::Client>(*impl_));
  if (!started) {
    throw std::runtime_error("oracle: " + started.error().message);
  }
  impl_->client = *std::move(started);
  impl_->is_paused = false;
}

Oracle::~Oracle() { impl_->is_paused = true; }

OracleReport Oracle::report() {
  impl_->is_paused = true;
  OracleReport report;
  {
    std::unique_lock lock(impl_->mutex);
    // By the system clock: ThreadSanitizer of gcc 12 does not know the wait on the steady one.
    const auto end = std::chrono::system_clock::now() + impl_->options.patience;
    if (!impl_->changed.wait_until(lock, end, [this] { return impl_->out <= 0; })) {
      impl_->failures += static_cast<std::size_t>(impl_->out);
      impl_->first_failure = impl_->first_failure.empty() ? "no answer" : impl_->first_failure;
    }
    report.requests = std::exchange(impl_->requests, 0);
    report.failures = std::exchange(impl_->failures, 0);
    report.first_failure = std::exchange(impl_->first_failure, {});
    const std::vector<double> delays = std::exchange(impl_->delays, {});
    report.worst_ms = delays.empty() ? 0 : *std::ranges::max_element(delays);
    report.p99_ms = percentile_99(delays);
    impl_->out = 0;
  }
  report.machine_p99_ms = impl_->machine.take_p99();
  impl_->is_paused = false;
  return report;
}

}  // namespace knul::attack
