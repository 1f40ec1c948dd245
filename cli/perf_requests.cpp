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
  connection.set_user(&lane);
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
  auto* const lane = static_cast<Lane*>(connection.user());  // null before begin_work
  if (direction == krepis::StreamDirection::kBidirectional && lane != nullptr) {
    issue(*lane);
  }
}

void RequestApplication::issue(Lane& lane) {
  while (lane.in_flight < plan_.depth && lane.left > 0 && issued_ < plan_.requests && !run().is_over()) {
    const auto opened = lane.connection->open_stream(krepis::StreamDirection::kBidirectional);
    if (!opened) {
      return;  // on_streams_available follows, unless the connection is closing
    }
    ++issued_;
    --lane.left;
    ++lane.in_flight;
    Request& request = make_request();
    request.sent_at = now();
    (*opened)->set_user(&request);
    send(**opened, request);
  }
}

RequestApplication::Request& RequestApplication::make_request() {
  if (spare_requests_.empty()) {
    return requests_.emplace_back();
  }
  Request& request = *spare_requests_.back();
  spare_requests_.pop_back();
  return request = Request{};
}

void RequestApplication::send(krepis::Stream& stream, Request& request) {
  const std::span<const std::uint8_t> rest = std::span(content_).subspan(request.sent);
  if (!rest.empty()) {
    request.sent += stream.write(rest, krepis::Fin::kYes);
  }
}

void RequestApplication::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                        krepis::Fin fin) {
  run().notice_server();
  if (!bytes.empty()) {
    stream.consume(bytes.size());
  }
  Request& request = *static_cast<Request*>(stream.user());
  request.received += bytes.size();
  if (fin == krepis::Fin::kNo) {
    return;
  }
  if (request.received != plan_.response_bytes) {
    run().fail(destination().shown + ": an answer has " + std::to_string(request.received) +
               " bytes, expected " + std::to_string(plan_.response_bytes));
    return;
  }
  complete(stream, request);
  Lane& lane = *static_cast<Lane*>(stream.connection().user());
  issue(lane);
  if (lane.in_flight == 0 && lane.left == 0) {
    waiting_.push_back(&lane);
    start_next_turn();
  }
}

void RequestApplication::complete(krepis::Stream& stream, Request& request) {
  if (run().is_over()) {
    return;
  }
  run().latencies().record(now() - request.sent_at);
  run().count(1);
  stream.set_user(nullptr);
  spare_requests_.push_back(&request);
  --static_cast<Lane*>(stream.connection().user())->in_flight;
  if (++completed_ == plan_.requests) {
    run().finish();
  }
}

void RequestApplication::on_stream_writable(krepis::Stream& stream) {
  if (auto* const request = static_cast<Request*>(stream.user())) {
    send(stream, *request);
  }
}

void RequestApplication::on_stream_reset(krepis::Stream& /*stream*/, std::uint64_t code) {
  run().fail(destination().shown + ": the server reset a request with code " + std::to_string(code));
}

}  // namespace knul::cli
