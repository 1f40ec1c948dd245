// `knul perf --handshakes`: connections that are opened, make one empty request, and are closed; `parallel`
// at a time. To resume, one connection before them fetches the first ticket.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>

#include "cli/perf_run.hpp"

namespace knul::cli {

struct HandshakePlan {
  std::uint64_t parallel = 1;
  std::uint64_t handshakes = std::numeric_limits<std::uint64_t>::max();
  bool resumes = false;  // one that is not resumed fails the run
};

// Units of the run: completed handshakes. A first failure without a success fails the run; failures later
// are counted.
class HandshakeApplication final : public PerfApplication {
 public:
  HandshakeApplication(std::shared_ptr<PerfRun> run, Destination destination, const HandshakePlan& plan)
      : PerfApplication(std::move(run), std::move(destination)), plan_(plan) {}

  void start(Connect connect) override;
  void on_connection(krepis::Connection& connection) override;
  void on_stream_closed(krepis::Stream& stream) override;
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override;

  // Thread: the client's until the run is over, then any.
  [[nodiscard]] std::uint64_t failed() const { return failed_; }
  [[nodiscard]] std::uint64_t resumed() const { return resumed_; }

 private:
  // The context of the connection that fetches the first ticket.
  static constexpr std::uint64_t kFirst = std::numeric_limits<std::uint64_t>::max();

  void begin_all();
  void begin_one();
  void connect(std::uint64_t context);
  void count(const krepis::Connection& connection, std::chrono::nanoseconds begun);
  static void ask_for_nothing(krepis::Connection& connection);

  HandshakePlan plan_;
  Connect connect_;
  std::uint64_t begun_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t failed_in_a_row_ = 0;
  std::uint64_t resumed_ = 0;
  std::unordered_map<std::uint64_t, std::chrono::nanoseconds> pending_;  // by context: when begun
};

}  // namespace knul::cli
