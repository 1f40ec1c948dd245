// Connections of a channel: how they begin and end.
#include <memory>
#include <string>

#include "channel/connection_facts.hpp"
#include "channel/worker_part.hpp"

namespace knul::channel {
namespace {

static_assert(static_cast<int>(krepis::CloseReason::Source::kPeerTransport) == KREPIS_CLOSED_PEER_TRANSPORT);
static_assert(static_cast<int>(krepis::CloseReason::Source::kStatelessReset) ==
              KREPIS_CLOSED_STATELESS_RESET);
static_assert(static_cast<int>(krepis::CloseReason::Source::kDrain) == KREPIS_CLOSED_DRAIN);

}  // namespace

ConnectionState* WorkerPart::add_connection(krepis::Connection& connection) {
  // Before any change, because both calls may throw std::bad_alloc.
  auto certificate = certificate_json(connection);
  const std::string identity = identity_json(connection, certificate.get());
  Entry* const entry = events_.is_overloaded() ? nullptr : core_.table.allocate(index_);
  if (entry == nullptr) {
    connection.close(KREPIS_CODE_OVERLOADED, "the channel has no room for more connections");
    return nullptr;
  }
  auto made = std::make_unique<ConnectionState>();
  ConnectionState& state = *made;
  state.entry = entry;
  state.part = this;
  state.connection = &connection;
  state.facts_at = events_.now() - std::chrono::hours(1);
  entry->object = std::move(made);
  entry->worker.store(index_, std::memory_order_relaxed);
  events_.refresh_facts(state);
  keep_certificate(*entry, std::move(certificate));
  state.handle = core_.table.publish(*entry);
  const std::uint32_t opened = events_.push(events_.make(KREPIS_EVENT_CONNECTION_OPENED, state.handle));
  receiving_.put_identity(state, *events_.find_unpublished(opened), identity);
  states_.add_open(state);
  core_.connections.fetch_add(1, std::memory_order_relaxed);
  connection.set_user(&state);
  return &state;
}

void WorkerPart::keep_certificate(Entry& entry, std::shared_ptr<const std::string> json) {
  if (json != nullptr) {
    const std::lock_guard lock(mailbox_.mutex);
    entry.facts->peer_certificate = std::move(json);
  }
}

void WorkerPart::close_connection(ConnectionState& state, const krepis::CloseReason& reason) {
  // First, because the engine destroys these objects even if the event finds no memory.
  state.connection = nullptr;
  for (StreamState& stream : state.streams) {
    stream.stream = nullptr;
  }
  FfiEvent event = events_.make(KREPIS_EVENT_CONNECTION_CLOSED, state.handle);
  event.flags = static_cast<std::uint32_t>(reason.source);
  event.code = reason.code;
  receiving_.put_reason(state, event, reason.reason);
  events_.push(event);
  // Each stream leaves its list first, because std::bad_alloc may interrupt this function and it runs again.
  while (!state.waiting.empty()) {
    StreamState* const stream = state.waiting.back();
    state.waiting.pop_back();
    end_stream(*stream);
  }
  while (!state.streams.empty()) {
    end_stream(state.streams.back());
  }
  state.blocked_datagrams.clear();
  {
    // Under the lock, so that no write is counted afterwards. held_bytes still has all bytes of streams and
    // datagrams that the connection has not accepted.
    const std::lock_guard lock(mailbox_.mutex);
    state.entry->add(Entry::kHasEnded);
    core_.server->writes.release(state.entry->held_bytes.exchange(0, std::memory_order_relaxed));
  }
  states_.free_when_read(state.handle);
  states_.remove_open(state);
  core_.connections.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace knul::channel
