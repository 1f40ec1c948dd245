#include "cli/perf_run.hpp"

#include <sys/resource.h>

namespace knul::cli {
namespace {

// Handshakes under way: the first packets of thousands would overflow the server's socket buffer.
constexpr std::uint64_t kHandshakesAtOnce = 64;

double process_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<double> seconds_of(std::optional<clockid_t> clock) {
  timespec time{};
  if (!clock || ::clock_gettime(*clock, &time) != 0) {
    return std::nullopt;
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

void PerfRun::begin() {
  const std::lock_guard lock(mutex_);
  server_cpu_seconds_ = seconds_of(server_clock_);
  cpu_seconds_ = -process_cpu_seconds();
  started_at_ = Clock::now();
}

void PerfRun::finish() { (void)end({}); }

void PerfRun::finish_early() {
  const std::uint64_t notices = notices_.load(std::memory_order_relaxed);
  notices_needed_.store(notices + 1, std::memory_order_relaxed);
  if (!end({})) {
    notices_needed_.store(0, std::memory_order_relaxed);
  }
}

void PerfRun::fail(std::string message) { (void)end(std::move(message)); }

bool PerfRun::is_server_alive() const {
  return notices_.load(std::memory_order_relaxed) >= notices_needed_.load(std::memory_order_relaxed);
}

// False when it had ended before.
bool PerfRun::end(std::string failure) {
  const std::lock_guard lock(mutex_);
  if (ended_at_) {
    return false;
  }
  ended_at_ = Clock::now();
  cpu_seconds_ += process_cpu_seconds();
  const auto server_cpu = seconds_of(server_clock_);
  server_cpu_seconds_ =
      server_cpu && server_cpu_seconds_ ? std::optional(*server_cpu - *server_cpu_seconds_) : std::nullopt;
  failure_ = std::move(failure);
  is_over_.store(true, std::memory_order_relaxed);
  ended_.notify_all();
  return true;
}

bool PerfRun::wait_for(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, timeout, [this] { return ended_at_.has_value(); });
}

std::optional<std::chrono::duration<double>> PerfRun::elapsed() const {
  const std::lock_guard lock(mutex_);
  if (!started_at_) {
    return std::nullopt;
  }
  return ended_at_.value_or(Clock::now()) - *started_at_;
}

void ConnectedPerfApplication::start(Connect connect) {
  connect_ = std::move(connect);
  for (std::uint64_t begun = 0; begun < kHandshakesAtOnce; ++begun) {
    connect_one();
  }
}

void ConnectedPerfApplication::connect_one() {
  if (begun_ == wanted_ || run().is_over()) {
    return;
  }
  if (const auto started = connect_(begun_++); !started) {
    run().fail(destination().shown + ": " + started.error().message);
  }
}

void ConnectedPerfApplication::on_connection(krepis::Connection& connection) {
  connections_.push_back(&connection);
  if (connections_.size() < wanted_ || run().is_over()) {
    connect_one();
    return;
  }
  run().begin();
  for (krepis::Connection* const ready : connections_) {
    begin_work(*ready);
  }
}

void ConnectedPerfApplication::on_connection_closed(krepis::Connection& connection,
                                                    const krepis::CloseReason& reason) {
  std::erase(connections_, &connection);
  run().fail(describe_close(reason, destination()));
}

void write_perf_header(std::uint64_t wanted, std::uint8_t* header) {
  for (std::size_t index = 0; index < kPerfHeaderBytes; ++index) {
    header[index] = static_cast<std::uint8_t>(wanted >> (8 * (kPerfHeaderBytes - 1 - index)));
  }
}

}  // namespace knul::cli
