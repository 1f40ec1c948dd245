#include "quic/endpoint/endpoint.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/make_room.hpp"
#include "base/probes.hpp"
#include "base/text.hpp"
#include "quic/wire/steering.hpp"

namespace knul::quic {
namespace {

base::SipKey make_key(base::RandomSource& random) {
  std::array<std::uint8_t, 16> bytes;
  random.fill(bytes);
  base::SipKey key;
  std::memcpy(&key.k0, bytes.data(), 8);
  std::memcpy(&key.k1, bytes.data() + 8, 8);
  return key;
}

// Hibernations per second, and at once. A connection with much memory counts as several. Packing takes 30 to
// 200 µs for each.
constexpr std::uint32_t kHibernationsPerSecond = 2'000;
constexpr std::uint32_t kHibernationsAtOnce = 16;
constexpr std::size_t kHibernationBytes = ConnectionArena::kLargestHibernatingBytes / kHibernationsAtOnce;

std::unique_ptr<ArenaPool> arena_pool(const EndpointOptions& options, stats::WorkerCounters& counters) {
  const bool hibernates = options.pages != nullptr && options.transport.hibernate_after > base::Duration{0};
  return hibernates ? std::make_unique<ArenaPool>(*options.pages, counters.pool_kept_bytes) : nullptr;
}

// The least send memory for a turn. A quarter of a stream's or connection's buffer, so that a full buffer is
// not refilled packet by packet. A smaller part of the shared memory, because an amount too small for a turn
// stays unused while connections wait.
std::uint64_t least_turn_bytes(const EndpointOptions& options) {
  const TransportOptions& transport = options.transport;
  return std::max<std::uint64_t>(
      1, std::min({transport.stream_send_buffer_bytes / 4, transport.connection_send_buffer_bytes / 4,
                   options.send_buffer_bytes / 64}));
}

}  // namespace

Endpoint::Endpoint(EndpointOptions options, ConnectionObserver& observer, base::RandomSource& random,
                   base::LogSink& log, stats::WorkerCounters& counters)
    : options_(std::move(options)),
      random_(random),
      log_(log),
      log_lines_(log, options_),
      counters_(counters),
      codec_(options_.worker, options_.workers),
      hash_key_(make_key(random)),
      sources_(hash_key_),
      half_open_places_(options_.max_half_open),
      admitted_places_(options_.max_connections),
      blocks_(counters),
      arenas_(arena_pool(options_, counters)),
      address_tokens_(options_.static_secret, random),
      reset_tokens_(options_.static_secret),
      send_budget_(options_.send_buffer_bytes, least_turn_bytes(options_),
                   base::fair_share::parts_of(options_.send_buffer_bytes,
                                              options_.transport.connection_send_buffer_bytes)),
      receive_budget_{
          options_.receive_window_bytes, 0,
          base::fair_share::parts_of(options_.receive_window_bytes, options_.transport.max_window_bytes)},
      accepted_alpn_(options_.server_tls == nullptr ? "none" : base::join(options_.server_tls->alpn())),
      environment_{options_.transport,
                   observer,
                   *this,
                   codec_,
                   accepted_alpn_,
                   address_tokens_,
                   reset_tokens_,
                   options_.protection,
                   options_.resumes_sessions ? &tickets_ : nullptr,
                   arenas_.get(),
                   blocks_,
                   send_budget_,
                   receive_budget_,
                   frame_budget_,
                   stops_seen_,
                   socket_full_,
                   random,
                   log,
                   counters,
                   options_.qlog},
      responder_(address_tokens_, reset_tokens_, codec_, hash_key_, random, log, counters),
      closing_(options_.max_closing),
      routes_(hash_key_),
      hibernations_(kHibernationsPerSecond, kHibernationsAtOnce) {}

Endpoint::~Endpoint() {
  write_list_.clear();
  for_each_connection([this](Connection& connection) { release_places(connection); });
}

void Endpoint::release_places(Connection& connection) {
  half_open_places_.leave(static_cast<HalfOpenPlace&>(connection));
  admitted_places_.leave(static_cast<AdmittedPlace&>(connection));
}

inline void Endpoint::deliver(Route route, const base::ReceivedDatagram& datagram, base::Instant now) {
  if (route.connection != nullptr) {
    if (!route.connection->admit_packet(now)) {
      drop_above_budget(datagram.path.remote);
    } else if (!route.connection->has_frames_left(now)) {
      drop_above_frame_budget(datagram.path.remote);
    } else if (!route.connection->has_ended()) {
      read(*route.connection, datagram, now);
    }
    return;
  }
  KNUL_DROP_PACKET(counters_, closing);
  if (route.closing->note_late_packet(datagram.payload.size())) {
    try {
      responder_.repeat(route.closing->path(), route.closing->packet(), now);
    } catch (...) {
      note_out_of_memory("a CONNECTION_CLOSE is not repeated");
    }
  }
}

void Endpoint::drop_above_budget(const base::SocketAddress& from) {
  KNUL_DROP_PACKET(counters_, budget);
  log_lines_.dropped(base::LogKind::kPacketBudget, from,
                     "its connection has used up its packets of this turn",
                     {"the budget of a connection", Connection::kPacketsPerTurn});
}

void Endpoint::drop_above_frame_budget(const base::SocketAddress& from) {
  KNUL_DROP_PACKET(counters_, frame_budget);
  log_lines_.dropped(base::LogKind::kFrameBudget, from, "its connection sent too many small frames",
                     {"the budget of a connection per second", FrameBudget::kPerSecond});
}

std::optional<unsigned> Endpoint::handle_datagram(const base::ReceivedDatagram& datagram, base::Instant now) {
  if (const Route recent = routes_.find_recent(datagram.payload); recent.is_known()) {
    deliver(recent, datagram, now);
    return std::nullopt;
  }
  return route_datagram(datagram, now);
}

std::optional<unsigned> Endpoint::route_datagram(const base::ReceivedDatagram& datagram, base::Instant now) {
  if (datagram.payload.empty()) {
    KNUL_DROP_PACKET(counters_, empty);
    log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote, "it is empty");
    return std::nullopt;
  }
  ngtcp2_version_cid header;
  const int result = ngtcp2_pkt_decode_version_cid(&header, datagram.payload.data(), datagram.payload.size(),
                                                   ConnectionIdCodec::kLength);
  if (result == NGTCP2_ERR_VERSION_NEGOTIATION) {
    KNUL_DROP_PACKET(counters_, unsupported_version);
    log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote, "its QUIC version is unknown");
    try {
      if (options_.server_tls != nullptr && !count_reflection(datagram.path.remote)) {
        responder_.negotiate_version(datagram, header, now);
      }
    } catch (...) {
      note_out_of_memory("a Version Negotiation packet is not sent");
    }
    return std::nullopt;
  }
  // A Version Negotiation packet may carry IDs of up to 255 bytes, which the tables here cannot hold.
  if (result != 0 || header.dcidlen > NGTCP2_MAX_CIDLEN) {
    KNUL_DROP_PACKET(counters_, malformed);
    log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote, "it is not a QUIC packet");
    return std::nullopt;
  }
  if (const Route route = routes_.find(ConnectionId({header.dcid, header.dcidlen})); route.is_known()) {
    deliver(route, datagram, now);
    return std::nullopt;
  }
  if (const std::optional<unsigned> owner = other_owner(datagram, header)) {
    return owner;
  }
  try {
    handle_unrouted(datagram, header, now);
  } catch (...) {  // out of memory for an answer or for a connection, which has then ended
    note_out_of_memory("a packet without a connection is dropped");
  }
  return std::nullopt;
}

void Endpoint::handle_handed_over(const base::ReceivedDatagram& datagram, base::Instant now) {
  if (handle_datagram(datagram, now).has_value()) {
    KNUL_DROP_PACKET(counters_, unknown_connection);
    log_lines_.dropped(base::LogKind::kPacketDropped, datagram.path.remote,
                       "two workers name each other as its owner");
  }
}

std::optional<unsigned> Endpoint::other_owner(const base::ReceivedDatagram& datagram,
                                              const ngtcp2_version_cid& header) const {
  if (options_.workers == 1 || header.dcidlen == 0) {
    return std::nullopt;
  }
  if (!has_local_id(datagram.payload[0], header) && options_.steering == Steering::kByKernel) {
    return std::nullopt;
  }
  const unsigned owner = codec_.worker_of({header.dcid, header.dcidlen});
  return owner == codec_.worker() ? std::nullopt : std::optional(owner);
}

void Endpoint::handle_expiry(base::Instant now) {
  while (Connection* due = deadlines_.take_due(now)) {
    if (due->can_hibernate(now)) {
      guarded(*due, [&] { hibernate_or_postpone(*due, now); });
      continue;
    }
    if (!due->has_ended()) {
      guarded(*due, [&] { due->handle_expiry(now); });
    }
    // Writing arms the deadline again, even without a packet to write.
    if (!due->is_linked()) {
      schedule(*due);
    }
  }
  if (send_budget_.next_round_at() <= now) {
    begin_send_turns(now);
  }
  forget_expired(now);
}

void Endpoint::hibernate_or_postpone(Connection& connection, base::Instant now) {
  const std::size_t tokens =
      std::min<std::size_t>(connection.arena_bytes() / kHibernationBytes + 1, kHibernationsAtOnce);
  if (hibernations_.take(now, static_cast<std::uint32_t>(tokens))) {
    connection.try_hibernate(now);
  } else {
    connection.postpone_hibernation(now);
  }
  deadlines_.arm(connection, connection.next_expiry());
}

base::Instant Endpoint::next_expiry() const {
  return std::min({deadlines_.soonest(), closing_.next_expiry(), send_budget_.next_round_at()});
}

void Endpoint::poll_send(base::SendBatch& batch, base::Instant now) {
  responder_.poll_send(batch);
  begin_send_turns(now);
  while (!write_list_.empty() && batch.room().size() >= options_.transport.max_udp_payload_bytes) {
    Connection& connection = write_list_.front();
    write_list_.pop_front();
    bool wants_more = false;
    guarded(connection, [&] {
      wants_more = !connection.has_ended() && connection.write(batch, now);
      if (!connection.has_ended()) {
        deadlines_.arm(connection, connection.next_expiry());
      }
    });
    if (connection.has_ended()) {
      retire(connection, now);
      // Others may wait for the memory of the retired connection.
      begin_send_turns(now);
      continue;
    }
    if (wants_more && !connection.is_linked()) {
      write_list_.push_back(connection);
    }
  }
  // The closes of retired connections.
  responder_.poll_send(batch);
}

// An acknowledgement notifies its own connection only, but other connections may have waited longer for the
// memory.
void Endpoint::begin_send_turns(base::Instant now) {
  if (!send_budget_.watch(now)) {
    return;
  }
  close_stalled(now);
  while (SendBudget::Member* const next = send_budget_.begin_turn(now)) {
    auto& connection = *static_cast<Connection*>(next);
    guarded(connection, [&] { connection.notify_writable(); });
  }
}

// Closes at most one in a call: its memory must be free before the next search.
void Endpoint::close_stalled(base::Instant now) {
  SendBudget::Member* const stalled =
      send_budget_.find_stalled(now, [](const SendBudget::Member& member, base::Duration since) {
        const auto& connection = static_cast<const Connection&>(member);
        return !connection.has_ended() && connection.has_stalled(since);
      });
  if (stalled != nullptr) {
    static_cast<Connection*>(stalled)->end_for_no_progress(
        "no data was acknowledged while server_send_buffer_bytes was used up");
  }
}

void Endpoint::retire(Connection& connection, base::Instant now) {
  deadlines_.cancel(connection);
  if (connection.is_linked()) {
    connection.unlink();
  }
  guarded(connection, [&] { begin_closing_period(connection, now); });
  const CloseCause& cause = connection.cause();
  KNUL_PROBE(connection__closed, connection.number(), cause.code, cause.reason.c_str(),
             static_cast<unsigned>(cause.source));
  guarded(connection, [&] { environment_.observer.on_closed(connection, cause); });
  count_closed(connection);
  log_lines_.closed(connection);
  release_places(connection);
  const auto found = connections_.find(connection.number());
  const std::unique_ptr<Connection> last = std::move(found->second.connection);
  connections_.erase(found);
  // on_closed may have scheduled the connection, which ends here.
  if (last->is_linked()) {
    last->unlink();
  }
}

void Endpoint::begin_closing_period(Connection& connection, base::Instant now) {
  using Source = CloseCause::Source;
  const Source source = connection.cause().source;
  const bool is_peers = source == Source::kPeerApplication || source == Source::kPeerTransport;
  base::Path path;
  const std::vector<std::uint8_t> packet = connection.take_close_packet(path, now);
  if (!packet.empty()) {
    responder_.send(path, packet);
  }
  const std::vector<ConnectionId> routes = connection.take_routes();  // nothing throws after this
  ClosingConnection* kept = nullptr;
  if (!packet.empty() || is_peers) {
    kept = try_add_closing(connection, path, routes, packet, now);
  }
  hand_over_routes(routes, kept);
}

// To `kept`, or to nobody if it is null. Assigning to a known ID allocates nothing.
void Endpoint::hand_over_routes(std::span<const ConnectionId> routes, ClosingConnection* kept) {
  std::size_t left = kept == nullptr ? 0 : ClosingConnection::kMostRoutes;
  for (const ConnectionId& id : routes) {
    if (left > 0) {
      routes_.assign(id, {nullptr, kept});
      --left;
    } else {
      routes_.erase(id);
    }
  }
}

// Null without memory: late packets then get a Stateless Reset.
ClosingConnection* Endpoint::try_add_closing(const Connection& connection, const base::Path& path,
                                             std::span<const ConnectionId> routes,
                                             std::span<const std::uint8_t> packet, base::Instant now) {
  const SourceRef& source = connection.source();
  if (const ClosingConnection::Owner evicted = closing_.make_place(source.get())) {
    counters_.connections_closing_evicted.add();
    log_lines_.closing_evicted(evicted->path().remote);
    forget(*evicted);
  }
  try {
    // A completed handshake has validated the client's address (RFC 9000 §8.1).
    using PeerAddress = ClosingConnection::PeerAddress;
    const bool is_validated = connection.is_handshake_completed() || !connection.is_server();
    const PeerAddress address = is_validated ? PeerAddress::kValidated : PeerAddress::kUnvalidated;
    ClosingConnection& kept =
        closing_.add(ClosingConnection::make(path, routes, packet, address, source.share()),
                     now + connection.closing_period());
    counters_.connections_closing.add();
    return &kept;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void Endpoint::forget_expired(base::Instant now) {
  while (const ClosingConnection::Owner due = closing_.take_due(now)) {
    forget(*due);
  }
}

void Endpoint::forget(const ClosingConnection& entry) {
  counters_.connections_closing.sub();
  entry.for_each_route([this](const ConnectionId& id) { routes_.erase(id); });
}

void Endpoint::repeat_closes() {
  try {
    closing_.for_each([this](const ClosingConnection& entry) {
      if (!entry.packet().empty() && entry.is_address_validated()) {
        responder_.send(entry.path(), entry.packet());
      }
    });
  } catch (...) {
    note_out_of_memory("a CONNECTION_CLOSE is not repeated");
  }
}

void Endpoint::count_closed(const Connection& connection) {
  using Source = CloseCause::Source;
  const CloseCause& cause = connection.cause();
  if (connection.is_handshake_completed()) {
    counters_.connections_active.sub();
  } else {
    --half_open_;
    counters_.connections_half_open.sub();
    const bool is_alert = cause.code >= 0x100 && cause.code <= 0x1ff;
    constexpr std::uint64_t kNoApplicationProtocol = 0x178;
    counters_.errors.add();
    if (cause.source == Source::kHandshakeTimeout) {
      counters_.handshakes_failed_timeout.add();
    } else if (cause.source == Source::kEvicted) {
      counters_.handshakes_failed_evicted.add();
    } else if (cause.code == kNoApplicationProtocol) {
      counters_.handshakes_failed_alpn.add();
    } else if (is_alert) {
      counters_.handshakes_failed_tls_alert.add();
    } else if (cause.code == NGTCP2_NO_ERROR && cause.source == Source::kPeerTransport) {
      counters_.handshakes_failed_closed.add();
    } else if (cause.source == Source::kLocalTransport || cause.source == Source::kPeerTransport) {
      counters_.handshakes_failed_protocol.add();
    } else {
      counters_.handshakes_failed_other.add();
    }
  }
}

void Endpoint::add_route(const ConnectionId& id, Connection& connection) {
  routes_.assign(id, {&connection, nullptr});
}

void Endpoint::remove_route(const ConnectionId& id) { routes_.erase(id); }

void Endpoint::schedule(Connection& connection) { write_list_.push_back(connection); }

void Endpoint::note_handshake_completed(Connection& connection) {
  --half_open_;
  half_open_places_.leave(static_cast<HalfOpenPlace&>(connection));
  counters_.connections_half_open.sub();
  counters_.connections_active.add();
  counters_.handshakes_completed.add();
  log_lines_.opened(connection);
  KNUL_PROBE(connection__opened, connection.number(), connection.path().remote.data(),
             connection.alpn().c_str(), connection.handshake_time().count() / 1'000);
}

base::Result<Connection*> Endpoint::connect(const ConnectTarget& target, base::Instant now) {
  if (options_.client_tls == nullptr) {
    return base::Error{base::ErrorKind::kUnsupported,
                       "connect: this endpoint is a server, expected a client"};
  }
  const std::uint64_t number = next_number_++;
  auto made = add(
      number, [&] { return Connection::connect(environment_, *options_.client_tls, target, now, number); });
  if (!made) {
    return std::move(made).error();
  }
  Connection& connection = **made;
  ++half_open_;
  counters_.connections_half_open.add();
  if (!connection.is_linked()) {
    schedule(connection);
  }
  return &connection;
}

Connection* Endpoint::find_connection(std::uint64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : found->second.connection.get();
}

}  // namespace knul::quic
