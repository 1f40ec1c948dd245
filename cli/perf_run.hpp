// One measurement of `knul perf`: what the client's thread and the waiting thread share, and the
// Application that all measurements begin with.
#pragma once

#include <krepis/krepis.hpp>

#include <time.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/client_flags.hpp"
#include "cli/latency_histogram.hpp"

namespace knul::cli {

// Thread: begin, count, finish and fail on the client's thread; the rest on any.
class PerfRun {
 public:
  using Clock = std::chrono::steady_clock;

  // `server_clock` is the CPU clock of a server on this machine, whose time is then measured too.
  explicit PerfRun(std::optional<clockid_t> server_clock = std::nullopt) : server_clock_(server_clock) {}

  // The measured time starts: connections are there.
  void begin();
  void count(std::uint64_t units) { units_.fetch_add(units, std::memory_order_relaxed); }
  // Called when something arrives from the server, also after the end.
  void notice_server() { notices_.fetch_add(1, std::memory_order_relaxed); }
  // The first of these three ends the run, later ones change nothing.
  void finish();
  // Ends the run with unfinished work, which a server that is alive still answers; see is_server_alive.
  void finish_early();
  void fail(std::string message);
  [[nodiscard]] bool is_over() const { return is_over_.load(std::memory_order_relaxed); }

  // True when the run is over.
  bool wait_for(std::chrono::milliseconds timeout);
  // Since begin; nothing before. Frozen when the run ends.
  [[nodiscard]] std::optional<std::chrono::duration<double>> elapsed() const;
  [[nodiscard]] std::uint64_t units() const { return units_.load(std::memory_order_relaxed); }

  // After the end: false while nothing has come from the server since a call of finish_early ended the run.
  [[nodiscard]] bool is_server_alive() const;

  // After the end.
  [[nodiscard]] const std::string& failure() const { return failure_; }  // empty: finished
  [[nodiscard]] double cpu_seconds() const { return cpu_seconds_; }      // of this process, user and system
  // The same of the server; nothing when it was not asked for, or when the server has ended meanwhile.
  [[nodiscard]] std::optional<double> server_cpu_seconds() const { return server_cpu_seconds_; }
  [[nodiscard]] const LatencyHistogram& latencies() const { return latencies_; }

  // Thread: the client's until the end, then any.
  LatencyHistogram& latencies() { return latencies_; }

 private:
  bool end(std::string failure);

  const std::optional<clockid_t> server_clock_;
  std::atomic<std::uint64_t> units_ = 0;
  std::atomic<std::uint64_t> notices_ = 0;
  std::atomic<std::uint64_t> notices_needed_ = 0;
  std::atomic<bool> is_over_ = false;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<Clock::time_point> started_at_;
  std::optional<Clock::time_point> ended_at_;
  double cpu_seconds_ = 0;
  std::optional<double> server_cpu_seconds_;
  std::string failure_;
  LatencyHistogram latencies_;
};

class PerfApplication : public krepis::Application {
 public:
  // Starts one handshake; the context comes back in Connection::context.
  using Connect = std::function<krepis::Result<void>(std::uint64_t context)>;

  PerfApplication(std::shared_ptr<PerfRun> run, Destination destination)
      : run_(std::move(run)), destination_(std::move(destination)) {}

  void on_start(krepis::Worker& worker) override { worker_ = &worker; }
  // The protocol has no streams that the server opens. So every other stream event is about a stream of ours.
  void on_stream_opened(krepis::Stream& stream) final { stream.refuse(0); }
  // Thread: the client's, once.
  virtual void start(Connect connect) = 0;

 protected:
  [[nodiscard]] PerfRun& run() { return *run_; }
  [[nodiscard]] const Destination& destination() const { return destination_; }
  // The clock of a turn of the loop: what arrives together is measured together.
  [[nodiscard]] std::chrono::nanoseconds now() const { return worker_->now(); }

 private:
  std::shared_ptr<PerfRun> run_;
  Destination destination_;
  krepis::Worker* worker_ = nullptr;
};

// Opens its connections first, some at a time, and starts to measure when all of them are there. Losing one
// fails the run.
class ConnectedPerfApplication : public PerfApplication {
 public:
  ConnectedPerfApplication(std::shared_ptr<PerfRun> run, Destination destination, std::uint64_t connections)
      : PerfApplication(std::move(run), std::move(destination)), wanted_(connections) {}

  void start(Connect connect) override;
  void on_connection(krepis::Connection& connection) override;
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;

 protected:
  // Called for each connection once all are there. Connection::context is below the number of connections.
  virtual void begin_work(krepis::Connection& connection) = 0;

 private:
  void connect_one();

  std::uint64_t wanted_;
  std::uint64_t begun_ = 0;
  Connect connect_;
  std::vector<krepis::Connection*> connections_;
};

// The request of the perf protocol: the bytes wanted back, big-endian.
inline constexpr std::size_t kPerfHeaderBytes = 8;
void write_perf_header(std::uint64_t wanted, std::uint8_t* header);

}  // namespace knul::cli
