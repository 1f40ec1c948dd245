// Connections of a channel: their beginning and end, their datagrams.
#include <memory>
#include <string>
#include <utility>

#include "channel/channel_worker.hpp"
#include "channel/connection_facts.hpp"

namespace knul::channel {
namespace {

static_assert(static_cast<int>(krepis::CloseReason::Source::kPeerTransport) == KREPIS_CLOSED_PEER_TRANSPORT);
static_assert(static_cast<int>(krepis::CloseReason::Source::kStatelessReset) ==
              KREPIS_CLOSED_STATELESS_RESET);
static_assert(static_cast<int>(krepis::CloseReason::Source::kDrain) == KREPIS_CLOSED_DRAIN);

}  // namespace

ConnectionState* ChannelWorker::add_connection(krepis::Connection& connection) {
  const std::string identity = identity_json(connection);  // first, because it may find no memory
  Entry* const entry = events_.is_overloaded() ? nullptr : core_.table.allocate(index_);
  if (entry == nullptr) {
    connection.close(KREPIS_CODE_OVERLOADED, "the channel has no room for more connections");
    return nullptr;
  }
  auto made = std::make_unique<ConnectionState>();
  ConnectionState& state = *made;
  state.entry = entry;
  state.connection = &connection;
  state.facts_at = events_.now() - std::chrono::hours(1);
  entry->object = std::move(made);
  entry->worker.store(index_, std::memory_order_relaxed);
  events_.refresh_facts(state);
  state.handle = core_.table.publish(*entry);
  const std::uint32_t opened = events_.push(events_.make(KREPIS_EVENT_CONNECTION_OPENED, state.handle));
  receiving_.put_identity(state, *events_.find_unpublished(opened), identity);
  states_.add_open(state);
  core_.connections.fetch_add(1, std::memory_order_relaxed);
  return &state;
}

void ChannelWorker::close_connection(ConnectionState& state, const krepis::CloseReason& reason) {
  state.connection = nullptr;  // first, because the engine destroys it even when there is no memory to tell
  FfiEvent event = events_.make(KREPIS_EVENT_CONNECTION_CLOSED, state.handle);
  event.flags = static_cast<std::uint32_t>(reason.source);
  event.code = reason.code;
  receiving_.put_reason(state, event, reason.reason);
  events_.push(event);
  // Each is off its list first: without memory this may end in the middle and be done again.
  while (!state.waiting.empty()) {
    StreamState* const stream = state.waiting.back();
    state.waiting.pop_back();
    void_stream(*stream);
  }
  for (auto next = state.streams.begin(); next != state.streams.end();) {
    StreamState* const stream = next->second;
    state.streams.erase(next++);
    void_stream(*stream);
  }
  state.blocked_datagrams.clear();
  {
    // Under the lock, so that no write is counted afterwards. What is left is that of streams and datagrams
    // in the mail.
    const std::lock_guard lock(mailbox_.mutex);
    state.entry->add(Entry::kIsVoid);
    core_.server->writes.release(state.entry->held_bytes.exchange(0, std::memory_order_relaxed));
  }
  states_.free_when_read(state.handle);
  states_.remove_open(state);
  core_.connections.fetch_sub(1, std::memory_order_relaxed);
}

void ChannelWorker::send_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes,
                                  const krepis::DatagramOptions& options) {
  const bool is_behind = options.policy == krepis::DatagramPolicy::kBlock && !state.blocked_datagrams.empty();
  if (is_behind || !hand_over(state, bytes, options)) {
    state.blocked_datagrams.push({core_.write_buffers.copy(bytes), options});
  }
}

bool ChannelWorker::hand_over(ConnectionState& state, std::span<const std::uint8_t> bytes,
                              const krepis::DatagramOptions& options) {
  using Outcome = krepis::DatagramOutcome;
  const Outcome outcome = state.connection->send_datagram(bytes, options);
  if (outcome == Outcome::kBlocked) {
    return false;
  }
  state.entry->queued.fetch_sub(1, std::memory_order_relaxed);
  give_back(state, bytes.size());
  if (outcome != Outcome::kQueued && options.reports_fate) {
    handle_datagram_fate(state, options.context, krepis::DatagramFate::kDropped);
  }
  return true;
}

void ChannelWorker::flush_datagrams(ConnectionState& state) {
  Fifo<ConnectionState::BlockedDatagram>& blocked = state.blocked_datagrams;
  while (!blocked.empty() && hand_over(state, blocked.front().copy.bytes, blocked.front().options)) {
    blocked.pop();
  }
  if (blocked.empty() && std::exchange(state.wants_datagram_writable, false)) {
    state.entry->remove(Entry::kAwaitsDatagramWritable);
    events_.push(events_.make(KREPIS_EVENT_DATAGRAM_WRITABLE, state.handle));
  }
}

void ChannelWorker::handle_datagram_writable(ConnectionState& state) { flush_datagrams(state); }

void ChannelWorker::handle_datagram_fate(ConnectionState& state, std::uint32_t context,
                                         krepis::DatagramFate fate) {
  if (events_.is_overloaded()) {
    return;
  }
  FfiEvent event = events_.make(KREPIS_EVENT_DATAGRAM_FATE, state.handle);
  event.value = context;
  event.flags = static_cast<std::uint32_t>(fate) + 1;  // KrepisDatagramFate counts from 1
  events_.push(event);
}

}  // namespace knul::channel
