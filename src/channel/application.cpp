#include "channel/application.hpp"

#include <algorithm>
#include <utility>

namespace knul::channel {

Application::~Application() {
  link_->connect(nullptr, nullptr);
  for (const Member& member : members_) {
    member.channel->end_worker(worker_->index());
  }
}

void Application::on_start(krepis::Worker& worker) {
  worker_ = &worker;
  link_->connect(&worker, this);
}

void Application::adopt(const std::shared_ptr<Channel>& channel) {
  if (channel->core().is_open()) {
    members_.push_back({channel, &channel->begin_worker(worker_->index(), *worker_)});
  }
}

Application::Place& Application::place_of(const krepis::Connection& connection) {
  if (&connection != last_connection_) {
    const auto found = places_.find(connection.id());
    last_connection_ = &connection;
    last_place_ = found == places_.end() ? Place{} : found->second;
  }
  return last_place_;
}

template <class Call>
void Application::with_stream(krepis::Connection& connection, krepis::StreamId stream, Call call) {
  const Place& place = place_of(connection);
  if (place.state == nullptr) {
    return;
  }
  if (const auto found = place.state->streams.find(stream); found != place.state->streams.end()) {
    call(*place.worker, *found->second);
  }
}

void Application::on_connection(krepis::Connection& connection) {
  last_connection_ = nullptr;
  WorkerPart* const worker = choose_channel();
  if (worker == nullptr) {
    // A program that uses no channels has its streams refused, see on_stream_opened.
    if (hub_->has_had_channel()) {
      connection.close(KREPIS_CODE_NO_CONSUMER, "no channel is open");
    }
    return;
  }
  Place& place = places_[connection.id()];  // first, so that what is added can always be found
  place.worker = worker;
  place.state = place.worker->add_connection(connection);
}

WorkerPart* Application::choose_channel() {
  const std::chrono::nanoseconds now = worker_->now();
  for (;;) {
    candidates_.clear();
    bool is_any_keeping_up = false;
    for (const Member& member : members_) {
      const Core& core = member.channel->core();
      if (!core.is_open()) {
        continue;
      }
      const bool keeps_up = core.keeps_up(now);
      if (keeps_up && !std::exchange(is_any_keeping_up, true)) {
        candidates_.clear();
      }
      if (keeps_up || !is_any_keeping_up) {
        candidates_.push_back(member.worker);
      }
    }
    if (candidates_.empty()) {
      return nullptr;
    }
    WorkerPart* const chosen = candidates_[hub_->take_turn(candidates_.size())];
    chosen->notice_hang_up();
    if (chosen->core().is_open()) {
      return chosen;
    }
  }
}

void Application::watch_consumers() {
  is_watch_armed_ = false;
  for (const Member& member : members_) {
    member.worker->watch_consumer();
  }
}

void Application::arm_watch() {
  const auto needs_watch = [](const Member& member) { return member.worker->needs_watch(); };
  if (!is_watch_armed_ && std::ranges::any_of(members_, needs_watch)) {
    worker_->call_after(ConsumerWatch::kPeriod, [this] { watch_consumers(); });
    is_watch_armed_ = true;
  }
}

void Application::on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) {
  const Place place = place_of(connection);
  last_connection_ = nullptr;
  places_.erase(connection.id());
  if (place.state != nullptr) {
    place.worker->close_connection(*place.state, reason);
  }
}

void Application::on_stream_opened(krepis::Connection& connection, krepis::StreamId stream) {
  const Place& place = place_of(connection);
  if (place.state == nullptr || !place.worker->core().is_open()) {
    connection.refuse_stream(stream, static_cast<std::uint64_t>(krepis::LibraryCode::kNoConsumer));
    return;
  }
  place.worker->open_stream(*place.state, stream);
}

void Application::on_stream_data(krepis::Connection& connection, krepis::StreamId stream,
                                 std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  with_stream(connection, stream, [&](WorkerPart& worker, StreamState& state) {
    worker.receive(state, bytes, fin == krepis::Fin::kYes);
  });
}

void Application::on_stream_writable(krepis::Connection& connection, krepis::StreamId stream) {
  with_stream(connection, stream,
              [](WorkerPart& worker, StreamState& state) { worker.handle_writable(state); });
}

void Application::on_stream_reset(krepis::Connection& connection, krepis::StreamId stream,
                                  std::uint64_t code) {
  with_stream(connection, stream,
              [&](WorkerPart& worker, StreamState& state) { worker.handle_reset(state, code); });
}

void Application::on_stop_sending(krepis::Connection& connection, krepis::StreamId stream,
                                  std::uint64_t code) {
  with_stream(connection, stream,
              [&](WorkerPart& worker, StreamState& state) { worker.handle_stop_sending(state, code); });
}

void Application::on_stream_closed(krepis::Connection& connection, krepis::StreamId stream) {
  with_stream(connection, stream,
              [](WorkerPart& worker, StreamState& state) { worker.handle_closed(state); });
}

void Application::on_streams_available(krepis::Connection& connection,
                                       krepis::StreamDirection /*direction*/) {
  if (const Place& place = place_of(connection); place.state != nullptr) {
    place.worker->handle_streams_available(*place.state);
  }
}

void Application::on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) {
  if (const Place& place = place_of(connection); place.state != nullptr && place.worker->core().is_open()) {
    place.worker->receive_datagram(*place.state, bytes);
  } else {
    connection.drop_datagram();
  }
}

void Application::on_datagram_writable(krepis::Connection& connection) {
  if (const Place& place = place_of(connection); place.state != nullptr) {
    place.worker->handle_datagram_writable(*place.state);
  }
}

void Application::on_datagram_fate(krepis::Connection& connection, std::uint32_t context,
                                   krepis::DatagramFate fate) {
  if (const Place& place = place_of(connection); place.state != nullptr) {
    place.worker->handle_datagram_fate(*place.state, context, fate);
  }
}

void Application::on_drain(std::chrono::milliseconds deadline) {
  hub_->begin_drain();
  for (const Member& member : members_) {
    member.worker->handle_drain(deadline);
  }
}

void Application::on_input_done() {
  for (const Member& member : members_) {
    member.worker->end_turn();
  }
  std::erase_if(members_, [this](const Member& member) {
    if (!member.worker->is_done()) {
      return false;
    }
    member.channel->end_worker(worker_->index());
    hub_->forget(*member.channel);
    return true;
  });
  arm_watch();
}

}  // namespace knul::channel
