// A packet that leads to no connection: the beginning of one, or an answer without one, or nothing.

#include <algorithm>
#include <array>

#include "base/make_room.hpp"
#include "quic/endpoint.hpp"
#include "quic/transport_settings.hpp"

namespace knul::quic {
namespace {

// Ports of UDP services that answer anything: a packet "from" there was forged to make us hit them.
// echo, discard, qotd, chargen, dns, tftp, portmapper, ntp, netbios, snmp, cldap, rip, ssdp, mdns, memcached.
constexpr std::array<std::uint16_t, 17> kReflectionPorts{0,   7,   9,   17,  19,   53,   69,    111,  123,
                                                         137, 161, 389, 520, 1900, 5353, 11211, 27015};

}  // namespace

bool Endpoint::is_reflection(const base::SocketAddress& source) {
  if (std::ranges::find(kReflectionPorts, source.port()) == kReflectionPorts.end()) {
    return false;
  }
  counters_.packets_dropped_source_port_blocked.add();
  return true;
}

void Endpoint::handle_unrouted(const base::ReceivedDatagram& datagram, const ngtcp2_version_cid& header,
                               base::Instant now) {
  if (is_reflection(datagram.path.remote)) {
    return;
  }
  const bool is_long = (datagram.payload[0] & 0x80) != 0;
  if (is_long && options_.server_tls != nullptr && header.version != 0) {
    // RFC 9000 §7.2: a client chooses at least 8 bytes, and our own connection IDs have 8. The library only
    // looks where there is no token.
    if (header.dcidlen < NGTCP2_MIN_INITIAL_DCIDLEN) {
      counters_.packets_dropped_short_connection_id.add();
      return;
    }
    accept(datagram, now);
    return;
  }
  if (Connection* connection = is_long ? nullptr : find_reset(datagram)) {
    connection->read(datagram, now);
    return;
  }
  counters_.packets_dropped_unknown_connection.add();
  if (!is_long && options_.server_tls != nullptr) {
    responder_.reset(datagram, {header.dcid, header.dcidlen}, now);
  }
}

// RFC 9000 §10.3.1: the connection ID of a Stateless Reset is random; the last 16 bytes say whose it is. Only
// servers hand out tokens here, so only clients look. Cost: every connection's tokens, for a packet that
// is otherwise lost.
Connection* Endpoint::find_reset(const base::ReceivedDatagram& datagram) {
  constexpr std::size_t kSmallest = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
  if (options_.client_tls == nullptr || datagram.payload.size() < kSmallest) {
    return nullptr;
  }
  const auto token = datagram.payload.last(NGTCP2_STATELESS_RESET_TOKENLEN);
  const auto found = std::ranges::find_if(
      connections_, [&](const auto& item) { return item.second.connection->knows_reset_token(token); });
  return found == connections_.end() ? nullptr : found->second.connection.get();
}

void Endpoint::accept(const base::ReceivedDatagram& datagram, base::Instant now) {
  AcceptedInitial initial;
  initial.path = datagram.path;
  if (ngtcp2_accept(&initial.header, datagram.payload.data(), datagram.payload.size()) != 0) {
    // 0-RTT before its Initial, a Handshake packet of a connection that is gone, or an Initial too small.
    const bool is_small = datagram.payload.size() < NGTCP2_MAX_UDP_PAYLOAD_SIZE;
    (is_small ? counters_.packets_dropped_too_short_initial : counters_.packets_dropped_unknown_connection)
        .add();
    return;
  }
  if (!is_admitted(datagram, initial.header, now) || !validate_token(initial, now)) {
    return;
  }
  base::make_room(connections_);
  const std::uint64_t number = next_number_++ * options_.workers + options_.worker;
  auto made = Connection::accept(environment_, *options_.server_tls, initial, now, number);
  if (!made) {
    log_.write(base::LogLevel::kError, "connection from " + datagram.path.remote.to_string() +
                                           " not accepted: " + made.error().message);
    counters_.errors.add();
    return;
  }
  Connection& connection = **made;
  const bool is_counted = options_.max_connections_per_address > 0;
  if (is_counted) {
    addresses_.add(datagram.path.remote);
  }
  connections_.emplace(number,
                       Entry{*std::move(made), is_counted ? datagram.path.remote : base::SocketAddress{}});
  ++half_open_;
  counters_.connections_half_open.add();
  counters_.connections_accepted.add();
  read(connection, datagram, now);
}

bool Endpoint::is_admitted(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header,
                           base::Instant now) {
  if (is_refusing_) {
    counters_.connections_refused_draining.add();
    responder_.refuse(datagram.path, header, NGTCP2_CONNECTION_REFUSED, now);
    return false;
  }
  if (connections_.size() >= options_.max_connections) {
    counters_.connections_refused_limit.add();
    counters_.packets_dropped_connection_limit.add();
    responder_.refuse(datagram.path, header, NGTCP2_CONNECTION_REFUSED, now);
    return false;
  }
  if (half_open_ >= options_.max_half_open) {
    // Silence: answering a flood would only feed it.
    counters_.connections_refused_half_open_limit.add();
    counters_.packets_dropped_half_open_limit.add();
    return false;
  }
  if (options_.max_connections_per_address > 0 &&
      addresses_.count(datagram.path.remote) >= options_.max_connections_per_address) {
    counters_.connections_refused_address_limit.add();
    counters_.packets_dropped_address_limit.add();
    responder_.refuse(datagram.path, header, NGTCP2_CONNECTION_REFUSED, now);
    return false;
  }
  return true;
}

bool Endpoint::asks_for_retry() const {
  return options_.retry == RetryPolicy::kAlways ||
         (options_.retry == RetryPolicy::kAuto &&
          half_open_ >= std::min(options_.max_half_open / 2, kHalfOpenWithoutRetry));
}

bool Endpoint::validate_token(AcceptedInitial& initial, base::Instant now) {
  const ngtcp2_pkt_hd& header = initial.header;
  const base::SocketAddress& remote = initial.path.remote;
  const std::span<const std::uint8_t> token(header.token, header.tokenlen);
  if (AddressTokens::is_retry_token(token)) {
    // The Initial goes to the connection ID that the Retry came from.
    initial.original_dcid =
        address_tokens_.open_retry_token(token, {header.version, remote, header.dcid}, now);
    if (!initial.original_dcid) {
      // The client answers no second Retry, so it is told at once. RFC 9000 §8.1.2.
      counters_.connections_refused_invalid_token.add();
      counters_.packets_dropped_token_invalid.add();
      responder_.refuse(initial.path, header, NGTCP2_INVALID_TOKEN, now);
      return false;
    }
    initial.validated_token = token;
    initial.token_type = NGTCP2_TOKEN_TYPE_RETRY;
    return true;
  }
  if (address_tokens_.is_valid_new_token(token, remote, now)) {
    initial.validated_token = token;
    initial.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
    return true;
  }
  // An unknown token counts as none: it may come from another server behind the same name.
  if (asks_for_retry()) {
    responder_.retry(initial.path, header, now);
    return false;
  }
  return true;
}

}  // namespace knul::quic
