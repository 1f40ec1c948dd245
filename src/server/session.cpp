#include "server/session.hpp"

#include "server/error_codes.hpp"

namespace knul::server {
namespace {

template <class Public, class Internal>
constexpr bool are_same(Public one, Internal other) {
  return static_cast<int>(one) == static_cast<int>(other);
}

// Session casts between these enums.
static_assert(are_same(krepis::DatagramPolicy::kDropNewest, quic::DatagramPolicy::kDropNewest) &&
              are_same(krepis::DatagramPolicy::kDropOldest, quic::DatagramPolicy::kDropOldest) &&
              are_same(krepis::DatagramOutcome::kBlocked, quic::DatagramOutcome::kBlocked) &&
              are_same(krepis::DatagramOutcome::kDropped, quic::DatagramOutcome::kDropped) &&
              are_same(krepis::DatagramOutcome::kRefused, quic::DatagramOutcome::kRefused));

}  // namespace

krepis::ConnectionInfo Session::info() const {
  const quic::TransportState transport = connection_.transport_state();
  krepis::ConnectionInfo info;
  info.smoothed_rtt = transport.smoothed_rtt;
  info.min_rtt = transport.min_rtt;
  info.congestion_window_bytes = transport.congestion_window_bytes;
  info.bytes_in_flight = transport.in_flight_bytes;
  info.bytes_received = connection_.bytes_received();
  info.bytes_sent = connection_.bytes_sent();
  info.streams_active = connection_.streams().count();
  return info;
}

quic::Stream* Session::find(krepis::StreamId id) const {
  return connection_.streams().find(static_cast<std::int64_t>(id));
}

krepis::Result<krepis::StreamId> Session::open_stream(krepis::StreamDirection direction) {
  auto opened = connection_.streams().open(direction == krepis::StreamDirection::kBidirectional
                                               ? quic::StreamDirection::kBidirectional
                                               : quic::StreamDirection::kUnidirectional);
  if (!opened) {
    return to_public(std::move(opened).error());
  }
  return static_cast<krepis::StreamId>((*opened)->id);
}

std::size_t Session::write(krepis::StreamId id, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  quic::Stream* stream = find(id);
  return stream == nullptr
             ? 0
             : connection_.streams().write_copy(*stream, bytes, quic::Fin{fin == krepis::Fin::kYes});
}

std::size_t Session::write(krepis::StreamId id, krepis::SharedBytes bytes, krepis::Fin fin) {
  quic::Stream* stream = find(id);
  return stream == nullptr ? 0
                           : connection_.streams().write_shared(*stream, std::move(bytes.owner), bytes.bytes,
                                                                quic::Fin{fin == krepis::Fin::kYes});
}

std::size_t Session::writable_bytes(krepis::StreamId id) const {
  const quic::Stream* stream = find(id);
  return stream == nullptr ? 0 : connection_.streams().writable_bytes(*stream);
}

void Session::consume(krepis::StreamId id, std::size_t bytes) {
  if (quic::Stream* stream = find(id)) {
    connection_.streams().consume(*stream, bytes);
  }
}

void Session::reset_stream(krepis::StreamId id, std::uint64_t code) {
  if (quic::Stream* stream = find(id)) {
    connection_.streams().reset(*stream, code);
  }
}

void Session::stop_sending(krepis::StreamId id, std::uint64_t code) {
  if (quic::Stream* stream = find(id)) {
    connection_.streams().stop_sending(*stream, code);
  }
}

void Session::refuse_stream(krepis::StreamId id, std::uint64_t code) {
  if (quic::Stream* stream = find(id)) {
    refuser_.refuse_stream(connection_, *stream, code);
  }
}

void Session::set_priority(krepis::StreamId id, krepis::StreamPriority priority) {
  if (quic::Stream* stream = find(id)) {
    connection_.streams().set_priority(*stream, priority.urgency, priority.is_incremental);
  }
}

void Session::retain_stream(krepis::StreamId id) {
  if (quic::Stream* stream = find(id)) {
    connection_.streams().retain(*stream);
  }
}

void Session::release_stream(krepis::StreamId id) {
  if (quic::Stream* stream = find(id)) {
    connection_.streams().release(*stream);
  }
}

krepis::DatagramOutcome Session::send_datagram(std::span<const std::uint8_t> bytes,
                                               const krepis::DatagramOptions& options) {
  quic::DatagramRequest request;
  request.policy = static_cast<quic::DatagramPolicy>(options.policy);
  request.expires_after = options.expires_after;
  if (options.reports_fate) {
    request.fate_context = options.context;
  }
  return static_cast<krepis::DatagramOutcome>(connection_.send_datagram(bytes, request));
}

}  // namespace knul::server
