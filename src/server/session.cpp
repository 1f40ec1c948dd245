#include "server/session.hpp"

#include "server/error_codes.hpp"

namespace knul::server {

krepis::ConnectionInfo Session::info() const {
  const quic::TransportState transport = connection_.transport_state();
  krepis::ConnectionInfo info;
  info.smoothed_rtt = transport.smoothed_rtt;
  info.min_rtt = transport.min_rtt;
  info.congestion_window_bytes = transport.congestion_window_bytes;
  info.bytes_in_flight = transport.in_flight_bytes;
  info.bytes_received = connection_.bytes_received();
  info.bytes_sent = connection_.bytes_sent();
  info.streams_active = connection_.stream_count();
  return info;
}

quic::Stream* Session::find(krepis::StreamId id) const {
  return connection_.find_stream(static_cast<std::int64_t>(id));
}

krepis::Result<krepis::StreamId> Session::open_stream(krepis::StreamDirection direction) {
  auto opened = connection_.open_stream(direction == krepis::StreamDirection::kBidirectional);
  if (!opened) {
    return to_public(std::move(opened).error());
  }
  return static_cast<krepis::StreamId>((*opened)->id);
}

std::size_t Session::write(krepis::StreamId id, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  quic::Stream* stream = find(id);
  return stream == nullptr ? 0 : connection_.write_copy(*stream, bytes, fin == krepis::Fin::kYes);
}

std::size_t Session::write(krepis::StreamId id, krepis::SharedBytes bytes, krepis::Fin fin) {
  quic::Stream* stream = find(id);
  return stream == nullptr ? 0
                           : connection_.write_shared(*stream, std::move(bytes.owner), bytes.bytes,
                                                      fin == krepis::Fin::kYes);
}

std::size_t Session::writable_bytes(krepis::StreamId id) const {
  const quic::Stream* stream = find(id);
  return stream == nullptr ? 0 : connection_.writable_bytes(*stream);
}

void Session::consume(krepis::StreamId id, std::size_t bytes) {
  if (quic::Stream* stream = find(id)) {
    connection_.consume(*stream, bytes);
  }
}

void Session::reset_stream(krepis::StreamId id, std::uint64_t code) {
  if (quic::Stream* stream = find(id)) {
    connection_.reset_stream(*stream, code);
  }
}

void Session::stop_sending(krepis::StreamId id, std::uint64_t code) {
  if (quic::Stream* stream = find(id)) {
    connection_.stop_sending(*stream, code);
  }
}

}  // namespace knul::server
