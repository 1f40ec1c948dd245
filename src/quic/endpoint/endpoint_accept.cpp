// Packets without a known connection: they create a connection, get a stateless answer, or are dropped.

#include <algorithm>
#include <array>
#include <utility>

#include "base/make_room.hpp"
#include "quic/connection/transport_settings.hpp"
#include "quic/endpoint/endpoint.hpp"

namespace knul::quic {
namespace {

// Port 0 sends nothing. The services on the other ports answer any datagram, so a packet "from" them is
// forged: echo, discard, qotd, chargen, dns, tftp, portmapper, ntp, netbios, snmp, cldap, rip, ssdp, mdns,
// memcached, game servers.
constexpr std::array<std::uint16_t, 17> kReflectionPorts{0,   7,   9,   17,  19,   53,   69,    111,  123,
                                                         137, 161, 389, 520, 1900, 5353, 11211, 27015};

constexpr std::uint64_t kRetrySeconds =
    std::chrono::duration_cast<std::chrono::seconds>(AddressTokens::kRetryLifetime).count();

}  // namespace

bool Endpoint::count_reflection(const base::SocketAddress& source) {
  if (std::ranges::find(kReflectionPorts, source.port()) == kReflectionPorts.end()) {
    return false;
  }
  KNUL_DROP_PACKET(counters_, source_port_blocked);
  log_lines_.dropped(base::LogKind::kSourcePort, source, "its source port is one that forged packets use",
                     {"the port", source.port()});
  return true;
}

void Endpoint::handle_unrouted(const base::ReceivedDatagram& datagram, const ngtcp2_version_cid& header,
                               base::Instant now) {
  if (count_reflection(datagram.path.remote)) {
    return;
  }
  const bool is_long = (datagram.payload[0] & 0x80) != 0;
  if (is_long && options_.server_tls != nullptr && header.version != 0) {
    // RFC 9000 §7.2: a client chooses at least 8 bytes, and the IDs of this side have 8. The library checks
    // the length only without a token.
    if (header.dcidlen < NGTCP2_MIN_INITIAL_DCIDLEN) {
      KNUL_DROP_PACKET(counters_, short_connection_id);
      log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote,
                         "its connection ID is shorter than 8 bytes");
      return;
    }
    accept(datagram, now);
    return;
  }
  if (Connection* connection = is_long ? nullptr : find_reset(datagram)) {
    connection->read(datagram, now);
    return;
  }
  KNUL_DROP_PACKET(counters_, unknown_connection);
  log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote, "its connection is unknown");
  if (!is_long && options_.server_tls != nullptr) {
    responder_.reset(datagram, {header.dcid, header.dcidlen}, now);
  }
}

// RFC 9000 §10.3.1: the connection ID of a Stateless Reset is random, and the last 16 bytes of the packet are
// the token. Only clients search, because only servers send tokens here. Cost: the tokens of every
// connection, for a packet that is otherwise lost.
Connection* Endpoint::find_reset(const base::ReceivedDatagram& datagram) {
  constexpr std::size_t kSmallest = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
  if (options_.client_tls == nullptr || datagram.payload.size() < kSmallest) {
    return nullptr;
  }
  const auto token = datagram.payload.last(NGTCP2_STATELESS_RESET_TOKENLEN);
  const auto found = std::ranges::find_if(
      connections_, [&](const auto& item) { return item.second.connection->is_reset_token(token); });
  return found == connections_.end() ? nullptr : found->second.connection.get();
}

void Endpoint::accept(const base::ReceivedDatagram& datagram, base::Instant now) {
  AcceptedInitial initial;
  initial.path = datagram.path;
  if (ngtcp2_accept(&initial.header, datagram.payload.data(), datagram.payload.size()) != 0) {
    // 0-RTT before its Initial, a Handshake packet of an ended connection, or an Initial that is too small.
    const bool is_small = datagram.payload.size() < NGTCP2_MAX_UDP_PAYLOAD_SIZE;
    if (is_small) {
      KNUL_DROP_PACKET(counters_, too_short_initial);
    } else {
      KNUL_DROP_PACKET(counters_, unknown_connection);
    }
    log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote,
                       is_small ? "an Initial packet in a datagram below 1200 bytes"
                                : "it begins no connection, and its connection is unknown");
    return;
  }
  if (!admit(datagram, initial.header, now) || !validate_token(initial, now)) {
    return;
  }
  SourceRef source = sources_.acquire(datagram.path.remote);
  if (!make_half_open_place(*source, now)) {
    KNUL_DROP_PACKET(counters_, half_open_share);
    log_lines_.dropped(base::LogKind::kHalfOpenShare, datagram.path.remote,
                       "its address has used up its share of the incomplete handshakes",
                       {"max_half_open", options_.max_half_open, LogLimit::Scope::kWorker});
    return;
  }
  if (admitted_places_.is_full() && (initial.validated_token.empty() || !make_place(*source, now))) {
    refuse_at_limit(datagram, initial.header, now);
    return;
  }
  // Unique over all workers of the server.
  const std::uint64_t number = next_number_++ * options_.workers + options_.worker;
  if (options_.tls_source != nullptr) {
    options_.tls_source->refresh(options_.server_tls);
  }
  auto made = add(
      number, [&] { return Connection::accept(environment_, *options_.server_tls, initial, now, number); });
  if (!made) {
    log_.write(base::LogLevel::kError, base::LogKind::kNotAccepted, [&] {
      return "connection from " + datagram.path.remote.to_string() + " not accepted: " + made.error().message;
    });
    counters_.errors.add();
    counters_.connections_refused_internal.add();
    return;
  }
  Connection& connection = **made;
  static_cast<HalfOpenPlace&>(connection).taken_at = now;
  half_open_places_.take(static_cast<HalfOpenPlace&>(connection), source->half_open);
  admitted_places_.take(static_cast<AdmittedPlace&>(connection), source->connections);
  connection.set_source(std::move(source));
  ++half_open_;
  counters_.connections_half_open.add();
  counters_.connections_accepted.add();
  read(connection, datagram, now);
}

bool Endpoint::admit(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header, base::Instant now) {
  if (is_refusing_) {
    counters_.connections_refused_draining.add();
    log_lines_.refused(base::LogKind::kRefusedDraining, datagram.path.remote, "the server drains");
    responder_.refuse(datagram.path, header, NGTCP2_CONNECTION_REFUSED, now);
    return false;
  }
  const SourceHoldings* const source = sources_.find(datagram.path.remote);
  const SharedPlaces::Holder* const connections = source == nullptr ? nullptr : &source->connections;
  if (admitted_places_.is_full() && admitted_places_.to_evict_of_others(connections) == nullptr) {
    refuse_at_limit(datagram, header, now);
    return false;
  }
  if (is_at_address_limit(connections)) {
    counters_.connections_refused_address_limit.add();
    KNUL_DROP_PACKET(counters_, address_limit);
    log_lines_.refused(
        base::LogKind::kAddressLimit, datagram.path.remote,
        "its address has as many connections as it may have",
        {"max_connections_per_address", options_.max_connections_per_address, LogLimit::Scope::kWorker});
    responder_.refuse(datagram.path, header, NGTCP2_CONNECTION_REFUSED, now);
    return false;
  }
  return true;
}

bool Endpoint::is_at_address_limit(const SharedPlaces::Holder* connections) const {
  const std::size_t limit = options_.max_connections_per_address;  // 0: none
  return limit > 0 && connections != nullptr && connections->count() >= limit;
}

void Endpoint::refuse_at_limit(const base::ReceivedDatagram& datagram, const ngtcp2_pkt_hd& header,
                               base::Instant now) {
  counters_.connections_refused_limit.add();
  KNUL_DROP_PACKET(counters_, connection_limit);
  log_lines_.refused(base::LogKind::kConnectionLimit, datagram.path.remote,
                     "the server has as many connections as it may have",
                     {"max_connections", options_.max_connections, LogLimit::Scope::kWorker});
  responder_.refuse(datagram.path, header, NGTCP2_CONNECTION_REFUSED, now);
}

// The evicted connection gets no packet, because answers would double a flood. A handshake younger than a
// second is not evicted for a newcomer of the same address, whose Initial is dropped and sent again later.
// Otherwise clients that start together behind one address would evict each other's handshakes shortly before
// they complete.
bool Endpoint::make_half_open_place(const SourceHoldings& newcomer, base::Instant now) {
  constexpr base::Duration kYoung = std::chrono::seconds(1);
  SharedPlaces::Place* const place = half_open_places_.to_evict_for(newcomer.half_open);
  if (place == nullptr) {
    return true;
  }
  auto& half_open = static_cast<HalfOpenPlace&>(*place);
  if (half_open.is_held_by(newcomer.half_open) && now - half_open.taken_at < kYoung) {
    return false;
  }
  auto& connection = static_cast<Connection&>(half_open);
  connection.evict();
  retire(connection, now);
  return true;
}

// Requires a validated address of the newcomer; otherwise forged addresses could end connections.
bool Endpoint::make_place(const SourceHoldings& newcomer, base::Instant now) {
  Connection* const chosen = find_inactive(newcomer, now);
  if (chosen == nullptr) {
    return false;
  }
  chosen->end_for_no_progress("inactive while the server has max_connections connections");
  retire(*chosen, now);
  return true;
}

// Looks at some of the oldest connections of the address with the most. Prefers a connection without streams,
// then the one inactive for longest. Null: all were active within a second.
Connection* Endpoint::find_inactive(const SourceHoldings& newcomer, base::Instant now) {
  constexpr int kMostExamined = 32;
  constexpr base::Duration kLeastInactivity = std::chrono::seconds(1);
  const auto rank = [](const Connection& it) {
    return std::pair(it.streams().count() > 0, it.last_active_at());
  };
  Connection* chosen = nullptr;
  for (int i = 0; i < kMostExamined; ++i) {
    SharedPlaces::Place* const place = admitted_places_.to_evict_of_others(&newcomer.connections);
    if (place == nullptr) {
      break;
    }
    admitted_places_.renew(*place);
    auto& connection = static_cast<Connection&>(static_cast<AdmittedPlace&>(*place));
    if (!connection.has_ended() && now - connection.last_active_at() >= kLeastInactivity &&
        (chosen == nullptr || rank(connection) < rank(*chosen))) {
      chosen = &connection;
    }
  }
  return chosen;
}

bool Endpoint::asks_for_retry() const {
  return options_.retry == RetryPolicy::kAlways ||
         (options_.retry == RetryPolicy::kAuto &&
          (half_open_ >= std::min(options_.max_half_open / 2, kHalfOpenWithoutRetry) ||
           admitted_places_.is_full()));
}

bool Endpoint::validate_token(AcceptedInitial& initial, base::Instant now) {
  const ngtcp2_pkt_hd& header = initial.header;
  const base::SocketAddress& remote = initial.path.remote;
  const std::span<const std::uint8_t> token(header.token, header.tokenlen);
  if (AddressTokens::is_retry_token(token)) {
    // The Initial is addressed to the Source Connection ID of the Retry.
    initial.original_dcid =
        address_tokens_.open_retry_token(token, {header.version, remote, header.dcid}, now);
    if (!initial.original_dcid) {
      // The client accepts no second Retry, so it gets a close at once (RFC 9000 §8.1.2).
      counters_.connections_refused_invalid_token.add();
      KNUL_DROP_PACKET(counters_, token_invalid);
      log_lines_.refused(base::LogKind::kTokenRefused, remote, "its Retry token is invalid or too old",
                         {"the lifetime of a Retry token in seconds", kRetrySeconds});
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
  // An unknown token is treated as absent: another server behind the same name may have sent it.
  if (asks_for_retry()) {
    responder_.retry(initial.path, header, now);
    return false;
  }
  return true;
}

}  // namespace knul::quic
