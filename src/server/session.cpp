#include "server/session.hpp"

#include "base/text.hpp"
#include "server/engine_enums.hpp"
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
  info.streams_active = connection_.streams().count();
  return info;
}

std::optional<krepis::PeerCertificate> Session::peer_certificate() const {
  auto peer = connection_.peer_certificate();
  if (!peer) {
    return std::nullopt;
  }
  const auto time = [](std::int64_t seconds) {
    return std::chrono::sys_seconds(std::chrono::seconds(seconds));
  };
  return krepis::PeerCertificate{.subject = std::move(peer->subject),
                                 .issuer = std::move(peer->issuer),
                                 .serial = std::move(peer->serial),
                                 .sha256 = base::hexadecimal(peer->sha256),
                                 .not_before = time(peer->not_before),
                                 .not_after = time(peer->not_after),
                                 .dns_names = std::move(peer->dns_names),
                                 .uris = std::move(peer->uris),
                                 .ip_addresses = std::move(peer->ip_addresses),
                                 .emails = std::move(peer->emails),
                                 .names_omitted = peer->has_omitted_names,
                                 .verified = peer->is_verified};
}

krepis::Result<krepis::Stream*> Session::open_stream(krepis::StreamDirection direction) {
  auto opened = connection_.streams().open(to_internal(direction));
  if (!opened) {
    return to_public(std::move(opened).error());
  }
  krepis::Stream* const stream = &StreamSession::create(*this, **opened);
  return stream;
}

krepis::Stream* Session::find_stream(krepis::StreamId id) {
  quic::Stream* const stream = connection_.streams().find(static_cast<std::int64_t>(id));
  if (stream == nullptr || StreamSession::of(*stream).state == StreamSession::State::kRefused) {
    return nullptr;
  }
  return &StreamSession::of(*stream);
}

void Session::for_each_stream(const std::function<void(krepis::Stream& stream)>& visit) {
  connection_.streams().for_each([&](quic::Stream& stream) {
    StreamSession& session = StreamSession::of(stream);
    if (session.state != StreamSession::State::kRefused) {
      visit(session);
    }
  });
}

krepis::DatagramOutcome Session::send_datagram(std::span<const std::uint8_t> bytes,
                                               const krepis::DatagramOptions& options) {
  quic::DatagramRequest request;
  request.policy = to_internal(options.policy);
  request.expires_after = options.expires_after;
  if (options.reports_fate) {
    request.fate_context = options.context;
  }
  return to_public(connection_.send_datagram(bytes, request));
}

Session& StreamSession::session() const { return static_cast<Session&>(connection()); }

quic::StreamSet& StreamSession::streams() const { return session().connection().streams(); }

std::size_t StreamSession::write(std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  return streams().write_copy(stream_, bytes, to_internal(fin));
}

std::size_t StreamSession::write(krepis::SharedBytes bytes, krepis::Fin fin) {
  return streams().write_shared(stream_, std::move(bytes.owner), bytes.bytes, to_internal(fin));
}

std::size_t StreamSession::writable_bytes() const { return streams().writable_bytes(stream_); }

void StreamSession::consume(std::size_t bytes) { streams().consume(stream_, bytes); }

void StreamSession::reset(std::uint64_t code) { streams().reset(stream_, code); }

void StreamSession::stop_sending(std::uint64_t code) { streams().stop_sending(stream_, code); }

void StreamSession::refuse(std::uint64_t code) { session().refuse(stream_, code); }

void StreamSession::set_priority(krepis::StreamPriority priority) {
  streams().set_priority(stream_, {priority.urgency, priority.is_incremental});
}

void StreamSession::retain() { streams().retain(stream_); }

void StreamSession::release() { streams().release(stream_); }

}  // namespace knul::server
