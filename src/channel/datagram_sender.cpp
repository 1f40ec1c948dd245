#include "channel/datagram_sender.hpp"

#include <utility>

namespace knul::channel {
namespace {

constexpr std::uint32_t number_of(krepis::DatagramFate fate) { return static_cast<std::uint32_t>(fate) + 1; }
static_assert(number_of(krepis::DatagramFate::kAcknowledged) == KREPIS_DATAGRAM_ACKNOWLEDGED &&
              number_of(krepis::DatagramFate::kLost) == KREPIS_DATAGRAM_LOST &&
              number_of(krepis::DatagramFate::kDropped) == KREPIS_DATAGRAM_DROPPED);

}  // namespace

void DatagramSender::send(ConnectionState& state, std::span<const std::uint8_t> bytes,
                          const krepis::DatagramOptions& options) {
  const bool is_behind = options.policy == krepis::DatagramPolicy::kBlock && !state.blocked_datagrams.empty();
  if (is_behind || !try_send(state, bytes, options)) {
    state.blocked_datagrams.push({core_.write_buffers.copy(bytes), options});
  }
}

bool DatagramSender::try_send(ConnectionState& state, std::span<const std::uint8_t> bytes,
                              const krepis::DatagramOptions& options) {
  using Outcome = krepis::DatagramOutcome;
  const Outcome outcome = state.connection->send_datagram(bytes, options);
  if (outcome == Outcome::kBlocked) {
    return false;
  }
  state.entry->queued.fetch_sub(1, std::memory_order_relaxed);
  release_held_bytes(*state.entry, core_.server->writes, bytes.size());
  if (outcome != Outcome::kQueued && options.reports_fate) {
    report_fate(state, options.context, krepis::DatagramFate::kDropped);
  }
  return true;
}

void DatagramSender::flush(ConnectionState& state) {
  Fifo<ConnectionState::BlockedDatagram>& blocked = state.blocked_datagrams;
  while (!blocked.empty() && try_send(state, blocked.front().copy.bytes, blocked.front().options)) {
    blocked.pop();
  }
  if (blocked.empty() && std::exchange(state.wants_datagram_writable, false)) {
    state.entry->remove(Entry::kAwaitsDatagramWritable);
    events_.push(events_.make(KREPIS_EVENT_DATAGRAM_WRITABLE, state.handle));
  }
}

void DatagramSender::request_writable(ConnectionState& state) {
  state.wants_datagram_writable = true;
  flush(state);
}

void DatagramSender::report_fate(const ConnectionState& state, std::uint32_t context,
                                 krepis::DatagramFate fate) {
  if (events_.is_overloaded()) {
    return;
  }
  FfiEvent event = events_.make(KREPIS_EVENT_DATAGRAM_FATE, state.handle);
  event.value = context;
  event.flags = number_of(fate);
  events_.push(event);
}

}  // namespace knul::channel
