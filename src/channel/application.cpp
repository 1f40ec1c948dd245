#include "channel/application.hpp"

#include <algorithm>
#include <utility>

namespace knul::channel {
namespace {

// Null: the connection belongs to no channel.
ConnectionState* state_of(const krepis::Connection& connection) {
  return static_cast<ConnectionState*>(connection.user());
}

// Null: the channel does not know the stream.
StreamState* state_of(const krepis::Stream& stream) { return static_cast<StreamState*>(stream.user()); }

WorkerPart& part_of(const StreamState& stream) { return *stream.connection->part; }

}  // namespace

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

void Application::on_connection(krepis::Connection& connection) {
  WorkerPart* const worker = choose_channel();
  if (worker == nullptr) {
    // Without any channel so far the connection stays open, and on_stream_opened refuses its streams.
    if (hub_->has_had_channel()) {
      connection.close(KREPIS_CODE_NO_CONSUMER, "no channel is open");
    }
    return;
  }
  worker->add_connection(connection);
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
    chosen->check_hang_up();
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
  if (ConnectionState* const state = state_of(connection)) {
    state->part->close_connection(*state, reason);
  }
}

void Application::on_stream_opened(krepis::Stream& stream) {
  ConnectionState* const state = state_of(stream.connection());
  if (state == nullptr || !state->part->core().is_open()) {
    stream.refuse(static_cast<std::uint64_t>(krepis::LibraryCode::kNoConsumer));
    return;
  }
  state->part->open_stream(*state, stream);
}

void Application::on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                                 krepis::Fin fin) {
  if (StreamState* const state = state_of(stream)) {
    part_of(*state).receive(*state, bytes, fin);
  }
}

void Application::on_stream_writable(krepis::Stream& stream) {
  if (StreamState* const state = state_of(stream)) {
    part_of(*state).handle_writable(*state);
  }
}

void Application::on_stream_reset(krepis::Stream& stream, std::uint64_t code) {
  if (StreamState* const state = state_of(stream)) {
    part_of(*state).handle_reset(*state, code);
  }
}

void Application::on_stop_sending(krepis::Stream& stream, std::uint64_t code) {
  if (StreamState* const state = state_of(stream)) {
    part_of(*state).handle_stop_sending(*state, code);
  }
}

void Application::on_stream_closed(krepis::Stream& stream) {
  if (StreamState* const state = state_of(stream)) {
    part_of(*state).handle_closed(*state);
  }
}

void Application::on_streams_available(krepis::Connection& connection,
                                       krepis::StreamDirection /*direction*/) {
  if (ConnectionState* const state = state_of(connection)) {
    state->part->handle_streams_available(*state);
  }
}

void Application::on_datagram(krepis::Connection& connection, std::span<const std::uint8_t> bytes) {
  ConnectionState* const state = state_of(connection);
  if (state != nullptr && state->part->core().is_open()) {
    state->part->receive_datagram(*state, bytes);
  } else {
    connection.drop_datagram();
  }
}

void Application::on_datagram_writable(krepis::Connection& connection) {
  if (ConnectionState* const state = state_of(connection)) {
    state->part->handle_datagram_writable(*state);
  }
}

void Application::on_datagram_fate(krepis::Connection& connection, std::uint32_t context,
                                   krepis::DatagramFate fate) {
  if (const ConnectionState* const state = state_of(connection)) {
    state->part->handle_datagram_fate(*state, context, fate);
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
    hub_->remove(*member.channel);
    return true;
  });
  arm_watch();
}

}  // namespace knul::channel
