#include "cli/perf_requests.hpp"

namespace knul::cli {

RequestApplication::RequestApplication(std::shared_ptr<PerfRun> run, Destination destination,
                                       const RequestPlan& plan)
    : ConnectedPerfApplication(std::move(run), std::move(destination), plan.connections),
      plan_(plan),
      content_(plan.request_bytes),
      lanes_(plan.connections) {
  write_perf_header(plan.response_bytes, content_.data());
}

void RequestApplication::begin_work(krepis::Connection& connection) {
  Lane& lane = lanes_[connection.context()];
  lane.connection = &connection;
  waiting_.push_back(&lane);
  if (working_ < plan_.active) {
    ++working_;
    start_next_turn();
  }
}

void RequestApplication::start_next_turn() {
  Lane& lane = *waiting_.front();
  waiting_.pop_front();
  lane.left = takes_turns() ? plan_.depth : plan_.requests;
  issue(lane);
}

void RequestApplication::on_streams_available(krepis::Connection& connection,
                                              krepis::StreamDirection direction) {
  if (direction == krepis::StreamDirection::kBidirectional) {
    issue(lanes_[connection.context()]);
  }
}

void RequestApplication::issue(Lane& lane) {
  while (lane.in_flight < plan_.depth && lane.left > 0 && issued_ < plan_.requests && !run().is_over()) {
    const auto opened = lane.connection->open_stream(krepis::StreamDirection::kBidirectional);
    if (!opened) {
      return;  // on_streams_available follows, or the connection is going
    }
    ++issued_;
    --lane.left;
    ++lane.in_flight;
    Request& request = lane.window.emplace_back();
    request.sent_at = now();
    send(*lane.connection, *opened, request);
  }
}

void RequestApplication::send(krepis::Connection& connection, krepis::StreamId id, Request& request) {
  const std::span<const std::uint8_t> rest = std::span(content_).subspan(request.sent);
  if (!rest.empty()) {
    request.sent += connection.write(id, rest, krepis::Fin::kYes);
  }
}

RequestApplication::Request& RequestApplication::request_of(Lane& lane, krepis::StreamId id) {
  return lane.window.at(id / 4 - lane.first);
}

void RequestApplication::on_stream_data(krepis::Connection& connection, krepis::StreamId id,
                                        std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  run().notice_server();
  if (!bytes.empty()) {
    connection.consume(id, bytes.size());
  }
  Lane& lane = lanes_[connection.context()];
  Request& request = request_of(lane, id);
  request.received += bytes.size();
  if (fin == krepis::Fin::kNo) {
    return;
  }
  if (request.received != plan_.response_bytes) {
    run().fail(destination().shown + ": an answer has " + std::to_string(request.received) +
               " bytes, expected " + std::to_string(plan_.response_bytes));
    return;
  }
  complete(lane, request);
  issue(lane);
  if (lane.in_flight == 0 && lane.left == 0) {
    waiting_.push_back(&lane);
    start_next_turn();
  }
}

void RequestApplication::complete(Lane& lane, Request& request) {
  if (run().is_over()) {
    return;
  }
  run().latencies().record(now() - request.sent_at);
  run().count(1);
  request.is_done = true;
  --lane.in_flight;
  while (!lane.window.empty() && lane.window.front().is_done) {
    lane.window.pop_front();
    ++lane.first;
  }
  if (++completed_ == plan_.requests) {
    run().finish();
  }
}

void RequestApplication::on_stream_writable(krepis::Connection& connection, krepis::StreamId id) {
  send(connection, id, request_of(lanes_[connection.context()], id));
}

void RequestApplication::on_stream_reset(krepis::Connection& /*connection*/, krepis::StreamId /*id*/,
                                         std::uint64_t code) {
  run().fail(destination().shown + ": the server reset a request with code " + std::to_string(code));
}

}  // namespace knul::cli
