// `knul perf --requests`: a closed loop of small requests, a stream each, `depth` of them at a time on
// each connection. With fewer active connections than there are, they take turns: `depth` requests at once,
// and when all are answered the connection that has waited longest follows. So the load stays the same
// while the number of connections grows.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "cli/perf_run.hpp"

namespace knul::cli {

struct RequestPlan {
  std::uint64_t connections = 1;
  std::uint64_t active = 1;                                            // at most `connections`
  std::uint64_t depth = 1;                                             // per active connection
  std::uint64_t requests = std::numeric_limits<std::uint64_t>::max();  // of all connections
  std::size_t request_bytes = 64;                                      // the header included
  std::uint64_t response_bytes = 1'024;
};

// Units of the run: answered requests. Latency: from the write to the last byte of the answer.
class RequestApplication final : public ConnectedPerfApplication {
 public:
  RequestApplication(std::shared_ptr<PerfRun> run, Destination destination, const RequestPlan& plan);

  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  void on_stream_writable(krepis::Stream& stream) override;
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override;
  void on_streams_available(krepis::Connection& connection, krepis::StreamDirection direction) override;

 private:
  // The user word of a stream leads to it until the answer is complete.
  struct Request {
    std::chrono::nanoseconds sent_at{};
    std::uint64_t received = 0;
    std::size_t sent = 0;
  };
  // The user word of its connection leads to it.
  struct Lane {
    krepis::Connection* connection = nullptr;
    std::uint64_t in_flight = 0;
    std::uint64_t left = 0;  // requests of its turn that are not issued
  };

  void begin_work(krepis::Connection& connection) override;
  [[nodiscard]] bool takes_turns() const { return plan_.active < plan_.connections; }
  void start_next_turn();
  void issue(Lane& lane);
  Request& make_request();
  void send(krepis::Stream& stream, Request& request);
  void complete(krepis::Stream& stream, Request& request);

  RequestPlan plan_;
  std::vector<std::uint8_t> content_;
  std::vector<Lane> lanes_;  // by connection
  std::deque<Request> requests_;
  std::vector<Request*> spare_requests_;
  std::deque<Lane*> waiting_;  // for their turn
  std::uint64_t working_ = 0;  // connections that have their turn
  std::uint64_t issued_ = 0;
  std::uint64_t completed_ = 0;
};

}  // namespace knul::cli
