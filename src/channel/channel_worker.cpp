// The turn of a channel's worker: events, what waits for the program to read them, the end.
#include "channel/channel_worker.hpp"

#include <cassert>
#include <cstring>
#include <memory>
#include <utility>

#include "channel/connection_facts.hpp"
#include "posix/clock.hpp"

namespace knul::channel {
namespace {

constexpr auto kFactsAge = std::chrono::milliseconds(100);

double to_us(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e3; }

// The worker's time, and the same clock when it has ended.
std::chrono::nanoseconds now_of(const krepis::Worker* worker) {
  return worker != nullptr ? worker->now() : posix::monotonic_now().time_since_epoch();
}

}  // namespace

ChannelWorker::ChannelWorker(ChannelCore& core, unsigned index, krepis::Worker& worker)
    : core_(core),
      index_(index),
      worker_(&worker),
      ring_(core.rings[index]),
      mailbox_(core.mailboxes[index]),
      arena_(core.arena(), core.owners(), index * static_cast<std::uint32_t>(core.layout.blocks_per_worker),
             static_cast<std::uint32_t>(core.layout.blocks_per_worker)) {
  spare_states_.reserve(kMostSpareStates);
}

FfiEvent ChannelWorker::make_event(std::uint32_t type, std::uint32_t connection) const {
  FfiEvent event{};
  event.type = type;
  event.connection = connection;
  event.stream_id = -1;
  event.timestamp_us = to_us(now_of(worker_));
  return event;
}

FfiEvent ChannelWorker::make_event(std::uint32_t type, const StreamState& stream) const {
  FfiEvent event = make_event(type, stream.connection->handle);
  event.stream = stream.handle;
  if (stream.id) {
    event.stream_id = static_cast<double>(*stream.id);
  }
  return event;
}

std::uint32_t ChannelWorker::push(StreamState& stream, FfiEvent event) {
  if (!std::exchange(stream.is_announced, true)) {
    event.flags |= KREPIS_FLAG_OPENED;
  }
  refresh_facts(*stream.connection);
  return ring_.push(event);
}

void ChannelWorker::refresh_facts(ConnectionState& state) {
  if (state.connection == nullptr || worker_->now() - state.facts_at < kFactsAge) {
    return;
  }
  state.facts_at = worker_->now();
  const krepis::Connection& connection = *state.connection;
  auto facts = std::make_unique<ConnectionFacts>();
  facts->id = connection.id();
  facts->peer = connection.peer_address();
  facts->alpn = connection.alpn();
  facts->server_name = connection.server_name();
  facts->info = connection.info();
  facts->max_datagram_bytes = connection.max_datagram_bytes();
  state.entry->max_datagram_bytes.store(static_cast<std::uint32_t>(facts->max_datagram_bytes),
                                        std::memory_order_relaxed);
  const std::lock_guard lock(mailbox_.mutex);
  state.entry->facts = std::move(facts);
}

StreamState* ChannelWorker::find_stream(std::uint32_t handle) {
  Entry* const entry = core_.table.find(handle);
  return entry != nullptr && entry->has(Entry::kIsStream) ? static_cast<StreamState*>(entry->object.get())
                                                          : nullptr;
}

ConnectionState* ChannelWorker::find_connection(std::uint32_t handle) {
  Entry* const entry = core_.table.find(handle);
  return entry != nullptr && !entry->has(Entry::kIsStream)
             ? static_cast<ConnectionState*>(entry->object.get())
             : nullptr;
}

void ChannelWorker::end_turn() {
  constexpr int kLooks = 3;
  if (mailbox_.is_told.load(std::memory_order_relaxed)) {
    mailbox_.is_told.exchange(false);
  }
  for (int look = 0; look < kLooks; ++look) {
    look_at_head();
    if (!core_.is_open()) {
      close_all();
    }
    take_mail();
    unpark_all();
    publish();
    free_entries();
    wait_for_head();
    if (!core_.waits_for_head[index_].load() || !ring_.has_moved()) {
      return;
    }
  }
  core_.tell(index_);  // a program that reads as fast as this must not hold the worker
}

void ChannelWorker::look_at_head() {
  if (!ring_.refresh_head() && core_.is_open()) {
    break_channel(ChannelCore::State::kMisled, KREPIS_INVALID_CONTEXT);
  }
  if (core_.is_broken() && !ring_.is_sealed()) {
    ring_.seal(nullptr);  // CHANNEL_CLOSED is in the ring of another worker
  }
  run_passed();
}

void ChannelWorker::run_passed() {
  while (!passing_.empty() && (ring_.is_sealed() || ring_.has_passed(passing_.front().sequence))) {
    const Passing passed = passing_.front();
    passing_.pop();
    if (StreamState* stream = find_stream(passed.handle)) {
      if (passed.is_end) {
        stream->is_read_to_its_end = true;
        free_if_released(*stream);
      } else if (std::exchange(stream->is_retained, false) && !stream->is_closed) {
        stream->connection->connection->release_stream(*stream->id);
      }
    } else if (ConnectionState* state = find_connection(passed.handle)) {
      state->is_read_to_its_end = true;
      free_if_released(*state);
    }
  }
}

void ChannelWorker::free_when_read(std::uint32_t handle) {
  passing_.push({ring_.next_sequence() - 1, handle, true});
}

void ChannelWorker::free_if_released(StreamState& stream) {
  if (stream.is_read_to_its_end && stream.unreleased_ranges == 0) {
    stream.is_read_to_its_end = false;
    to_free_.push_back(stream.entry);
  }
}

// Later than its streams: what they have not released counts here, too.
void ChannelWorker::free_if_released(ConnectionState& state) {
  if (state.is_read_to_its_end && state.unreleased_bytes == 0) {
    state.is_read_to_its_end = false;
    to_free_.push_back(state.entry);
  }
}

StreamState& ChannelWorker::add_state(Entry& entry) {
  std::unique_ptr<StreamState> state;
  if (spare_states_.empty()) {
    state = std::make_unique<StreamState>();
  } else {
    state = std::move(spare_states_.back());
    spare_states_.pop_back();
  }
  StreamState& stream = *state;
  stream.entry = &entry;
  entry.object = std::move(state);
  return stream;
}

// What it held is freed at once; its own memory serves the next stream.
void ChannelWorker::keep_state(Entry& entry) {
  assert(entry.object != nullptr);
  if (worker_ == nullptr || spare_states_.size() == kMostSpareStates) {
    return;
  }
  auto& state = static_cast<StreamState&>(*entry.object);
  std::destroy_at(&state);
  std::construct_at(&state);
  spare_states_.emplace_back(static_cast<StreamState*>(entry.object.release()));
}

void ChannelWorker::free_entries() {
  if (to_free_.empty()) {
    return;
  }
  for (Entry* entry : to_free_) {
    if (entry->has(Entry::kIsStream)) {
      keep_state(*entry);
    }
  }
  const std::lock_guard lock(mailbox_.mutex);
  for (Entry* entry : to_free_) {
    core_.table.release(*entry);
  }
  to_free_.clear();
}

void ChannelWorker::publish() {
  if (core_.state() != ChannelCore::State::kClosed && ring_.publish()) {
    ring_.note_published(now_of(worker_));
    core_.wake.notify();
  }
  core_.backlogs[index_].store(ring_.backlog(), std::memory_order_relaxed);
  core_.free_blocks[index_].store(static_cast<std::uint32_t>(arena_.free_blocks()),
                                  std::memory_order_relaxed);
}

// The program stores its head and then exchanges the flag; this exchanges the flag and then loads the head.
// Whichever exchange is second sees what came before the first.
void ChannelWorker::wait_for_head() {
  const bool is_waiting =
      core_.state() != ChannelCore::State::kClosed && (!passing_.empty() || ring_.backlog() > 0);
  if (is_waiting || core_.waits_for_head[index_].load(std::memory_order_relaxed)) {
    core_.waits_for_head[index_].exchange(is_waiting);
  }
}

void ChannelWorker::break_channel(ChannelCore::State to, std::uint32_t code) {
  if (!core_.change_state(to)) {
    return;
  }
  FfiEvent event = make_event(KREPIS_EVENT_CHANNEL_CLOSED, 0U);
  event.code = code;
  ring_.seal(&event);
  publish();
  core_.tell_all();
  core_.wake.notify_all();
}

void ChannelWorker::close_all() {
  if (std::exchange(has_closed_all_, true)) {
    return;
  }
  for (ConnectionState* state : connections_) {
    if (state->connection != nullptr) {
      state->connection->close(KREPIS_CODE_CONSUMER_GONE, "the channel of the connection was closed");
    }
  }
}

void ChannelWorker::handle_drain(std::chrono::milliseconds left) {
  if (core_.is_draining.exchange(true)) {
    return;
  }
  FfiEvent event = make_event(KREPIS_EVENT_DRAINING, 0U);
  event.value = static_cast<std::uint32_t>(left.count());
  ring_.push(event);
}

void ChannelWorker::detach() {
  while (!connections_.empty()) {
    krepis::CloseReason reason;
    reason.source = krepis::CloseReason::Source::kDrain;
    reason.code = KREPIS_CODE_DEADLINE;
    close_connection(**connections_.begin(), reason);
  }
  look_at_head();
  publish();
  worker_ = nullptr;
  spare_states_.clear();
  const std::lock_guard lock(mailbox_.mutex);
  mailbox_.is_open = false;
  mailbox_.mail = {};
}

void ChannelWorker::pump() {
  look_at_head();
  publish();
  free_entries();
}

void ChannelWorker::publish_stopped(std::uint32_t code, std::string_view report) {
  FfiEvent event = make_event(KREPIS_EVENT_SERVER_STOPPED, 0U);
  event.code = code;
  event.offset = static_cast<std::uint32_t>(core_.layout.report_offset());
  event.length = static_cast<std::uint32_t>(std::min(report.size(), kBlockBytes));
  std::memcpy(core_.arena() + event.offset, report.data(), event.length);
  ring_.push(event);
  pump();
}

}  // namespace knul::channel
