#include "channel/event_writer.hpp"

#include <memory>
#include <mutex>
#include <utility>

#include "channel/connection_facts.hpp"
#include "posix/clock.hpp"

namespace knul::channel {
namespace {

constexpr auto kFactsAge = std::chrono::milliseconds(100);

double to_us(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e3; }

}  // namespace

std::chrono::nanoseconds EventWriter::now() const {
  return worker_ != nullptr ? worker_->now() : posix::monotonic_now().time_since_epoch();
}

FfiEvent EventWriter::make(std::uint32_t type, std::uint32_t connection) const {
  FfiEvent event{};
  event.type = type;
  event.connection = connection;
  event.stream_id = -1;
  event.timestamp_us = to_us(now());
  return event;
}

FfiEvent EventWriter::make(std::uint32_t type, const StreamState& stream) const {
  FfiEvent event = make(type, stream.connection->handle);
  event.stream = stream.handle;
  if (stream.stream != nullptr) {
    event.stream_id = static_cast<double>(stream.stream->id());
  }
  return event;
}

std::uint32_t EventWriter::push(StreamState& stream, FfiEvent event) {
  if (!std::exchange(stream.is_announced, true)) {
    event.flags |= KREPIS_FLAG_OPENED;
  }
  refresh_facts(*stream.connection);
  return ring_.push(event);
}

void EventWriter::refresh_facts(ConnectionState& state) {
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
  if (state.entry->facts != nullptr) {
    facts->peer_certificate = std::move(state.entry->facts->peer_certificate);  // it never changes
  }
  state.entry->facts = std::move(facts);
}

}  // namespace knul::channel
