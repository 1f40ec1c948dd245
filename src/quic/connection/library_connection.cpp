#include "quic/connection/library_connection.hpp"

#include <gnutls/crypto.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "quic/connection/connection_callbacks.hpp"

namespace knul::quic {
namespace {

using base::Error;
using base::ErrorKind;

ngtcp2_conn* native_of(ngtcp2_crypto_conn_ref* reference) {
  return static_cast<ngtcp2_conn*>(reference->user_data);
}

base::Status status_of(int code) {
  if (code == 0) {
    return {};
  }
  const ErrorKind kind = code == NGTCP2_ERR_NOMEM ? ErrorKind::kOutOfMemory : ErrorKind::kInternal;
  return Error{kind, std::string("connection: ") + ngtcp2_strerror(code)};
}

}  // namespace

LibraryConnection::LibraryConnection(const ConnectionEnvironment& environment, bool is_server,
                                     base::Instant now)
    : environment_(environment), now_(now) {
  tls_reference_.get_conn = &native_of;
  tls_reference_.protection = environment.protection;
  tls_reference_.tickets = is_server ? nullptr : environment.tickets;
  if (environment.arenas != nullptr) {
    arena_.emplace(*environment.arenas, environment.counters.connection_memory_bytes);
  }
}

LibraryConnection::~LibraryConnection() {
  wake();  // the library reads its memory to free it
}

base::Status LibraryConnection::create_server(const AcceptedInitial& initial, const ConnectionId& id,
                                              TransportSettings& made, void* user_data) {
  made.settings.rand_ctx.native_handle = &environment_.random;
  const ngtcp2_cid scid = id.to_ngtcp2();
  const ngtcp2_path path = to_ngtcp2(initial.path);
  ngtcp2_conn* conn = nullptr;
  const int result =
      ngtcp2_conn_server_new(&conn, &initial.header.scid, &scid, &path, initial.header.version,
                             &server_callbacks(), &made.settings, &made.params, memory(), user_data);
  conn_.reset(conn);
  return status_of(result);
}

base::Status LibraryConnection::create_client(const base::Path& to, const ConnectionId& id,
                                              TransportSettings& made, void* user_data) {
  constexpr std::size_t kFirstDcidBytes = 18;
  made.settings.rand_ctx.native_handle = &environment_.random;
  std::array<std::uint8_t, kFirstDcidBytes> random_bytes;
  environment_.random.fill(random_bytes);
  const ngtcp2_cid dcid = ConnectionId(random_bytes).to_ngtcp2();
  const ngtcp2_cid scid = id.to_ngtcp2();
  const ngtcp2_path path = to_ngtcp2(to);
  ngtcp2_conn* conn = nullptr;
  const int result =
      ngtcp2_conn_client_new(&conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &client_callbacks(),
                             &made.settings, &made.params, memory(), user_data);
  conn_.reset(conn);
  return status_of(result);
}

base::Status LibraryConnection::adopt(base::Result<TlsSession> session) {
  if (!session) {
    return std::move(session).error();
  }
  tls_ = *std::move(session);
  tls_reference_.user_data = conn();
  ngtcp2_conn_set_tls_native_handle(conn(), tls_.native());
  return {};
}

// Frees 19 KB per connection. Key updates need only the secrets, which the library keeps. Later CRYPTO data
// ends the connection before it would reach the session (crypto_guard.hpp).
void LibraryConnection::release_tls_session() {
  ngtcp2_conn_set_tls_native_handle(conn(), nullptr);
  tls_.reset();
  tls_reference_.offered_alpn = {};
}

// Never moves the time backwards, which would fail an assertion of the library.
int LibraryConnection::advance(base::Instant now) {
  int result = 0;
  if (deferred_pacing_.has_value()) {
    const base::Instant due = std::exchange(deferred_pacing_, std::nullopt)->due;
    if (due < now) {
      // The library must run this timer at the time it was due. At the time `now` it would count the delay as
      // pacing time to catch up on.
      now_ = std::max(now_, due);
      result = handle_expiry();
    }
  }
  now_ = std::max(now_, now);
  return result;
}

base::Instant LibraryConnection::next_expiry() const {
  return is_hibernating() ? hibernates_until_ : expiry();
}

base::Instant LibraryConnection::expiry() const {
  if (deferred_pacing_.has_value()) {
    return deferred_pacing_->others;
  }
  const ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(conn());
  constexpr auto kLargest = static_cast<ngtcp2_tstamp>(base::Duration::max().count());
  return expiry >= kLargest ? base::kNever : base::Instant(base::Duration(static_cast<std::int64_t>(expiry)));
}

int LibraryConnection::read(const base::ReceivedDatagram& datagram, std::span<const std::uint8_t> payload) {
  const ngtcp2_path path = to_ngtcp2(datagram.path);
  ngtcp2_pkt_info info{};
  info.ecn = static_cast<std::uint8_t>(datagram.ecn);
  return ngtcp2_conn_read_pkt(conn(), &path, &info, payload.data(), payload.size(), timestamp());
}

ngtcp2_ssize LibraryConnection::write_datagram(const PacketRoom& room, std::uint64_t tag,
                                               std::span<std::uint8_t> bytes, bool& is_accepted) {
  const ngtcp2_vec vector{bytes.data(), bytes.size()};
  int accepted = 0;
  const ngtcp2_ssize written =
      ngtcp2_conn_writev_datagram(conn(), room.path, room.info, room.bytes.data(), room.bytes.size(),
                                  &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE, tag, &vector, 1, timestamp());
  is_accepted = accepted != 0;
  return written;
}

ngtcp2_ssize LibraryConnection::write_close(const PacketRoom& room, const ngtcp2_ccerr& error) {
  return ngtcp2_conn_write_connection_close(conn(), room.path, room.info, room.bytes.data(),
                                            room.bytes.size(), &error, timestamp());
}

// If nothing forbade a packet and none was written, the library has no frame queued. If pacing forbade
// packets, an acknowledgement that left alone may have caused frames that still wait.
void LibraryConnection::note_written(WrittenRound round) {
  if (!round.might_send) {
    may_have_queued_frames_ = may_have_queued_frames_ || round.bytes > 0;
  } else if (may_have_queued_frames_ && round.has_sent_all) {
    may_have_queued_frames_ = congestion_window_left() < environment_.transport.max_udp_payload_bytes;
  }
}

// The library's pacing timer is useful only while something waits to be sent. After everything was sent,
// next_expiry() leaves it out and advance() runs it late, which saves one wake-up for every answer.
void LibraryConnection::pace(bool has_sent_all) {
  const base::Instant others = expiry();
  ngtcp2_conn_update_pkt_tx_time(conn(), timestamp());
  const base::Instant next_packet = expiry();
  // A round of acknowledgements alone does not change the pacing, so the time of earlier packets stays valid.
  if (next_packet != others) {
    next_packet_at_ = next_packet;
  }
  if (has_sent_all && next_packet < others) {
    deferred_pacing_ = {next_packet, others, false};
  }
}

// Defers the pacing timer as pace() does, after everything was acknowledged before it is due. The library
// reports only its first timer, and while pacing forbids a packet it does not report whether it has something
// to send. So this requires a connection at rest: no open stream, no queued frame, no lost packet. The timers
// behind the pacing timer are then for upkeep (paths, connection IDs, path MTU probes) and for the idle
// timeout; they can wait.
void LibraryConnection::try_pause() {
  constexpr base::Duration kLongestDelay = std::chrono::seconds(1);
  if (may_send() || expiry() != next_packet_at_) {
    return;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn(), &info);
  // The library queues the frames of a lost packet again. A changed slow start threshold shows a loss, except
  // in BBR, which has no such threshold.
  const bool has_lost = std::exchange(slow_start_threshold_, info.ssthresh) != info.ssthresh ||
                        environment_.transport.congestion_control == CongestionControl::kBbr;
  may_have_queued_frames_ = may_have_queued_frames_ || has_lost;
  if (may_have_queued_frames_ || info.bytes_in_flight > 0 || owes_acknowledgement()) {
    return;
  }
  deferred_pacing_ = {next_packet_at_,
                      next_packet_at_ + std::min(kLongestDelay, environment_.transport.idle_timeout / 2),
                      true};
}

// True while an acknowledgement waits for its timer or for a packet that can carry it.
bool LibraryConnection::owes_acknowledgement() const {
  const ImmediateAcknowledgement now(*this);
  return expiry() <= now_;
}

int LibraryConnection::open_stream(StreamDirection direction, std::int64_t& id) {
  return direction == StreamDirection::kBidirectional ? ngtcp2_conn_open_bidi_stream(conn(), &id, nullptr)
                                                      : ngtcp2_conn_open_uni_stream(conn(), &id, nullptr);
}

int LibraryConnection::reset_stream(std::int64_t id, std::uint64_t code) {
  may_have_queued_frames_ = true;
  return ngtcp2_conn_shutdown_stream_write(conn(), 0, id, code);
}

int LibraryConnection::stop_sending(std::int64_t id, std::uint64_t code) {
  may_have_queued_frames_ = true;
  return ngtcp2_conn_shutdown_stream_read(conn(), 0, id, code);
}

// Failure is not an error: without a token the client's next connection only takes one more round trip.
void LibraryConnection::submit_new_token(std::span<const std::uint8_t> token) {
  may_have_queued_frames_ = true;
  ngtcp2_conn_submit_new_token(conn(), token.data(), token.size());
}

void LibraryConnection::extend_max_streams(StreamDirection direction, std::uint64_t count) {
  may_have_queued_frames_ = true;
  (direction == StreamDirection::kBidirectional ? ngtcp2_conn_extend_max_streams_bidi
                                                : ngtcp2_conn_extend_max_streams_uni)(conn(), count);
}

void LibraryConnection::extend_max_data(std::uint64_t bytes) {
  may_have_queued_frames_ = true;
  ngtcp2_conn_extend_max_offset(conn(), bytes);
}

// The result does not matter: a stream that the library has meanwhile dropped needs no credit.
void LibraryConnection::extend_max_stream_data(std::int64_t id, std::uint64_t bytes) {
  may_have_queued_frames_ = true;
  ngtcp2_conn_extend_max_stream_offset(conn(), id, bytes);
}

void LibraryConnection::wake_up() const {
  arena_->wake();
  environment_.counters.connections_hibernating.sub();
}

bool LibraryConnection::try_hibernate() {
  // Both are read before the arena hibernates, because conn() would wake it.
  const base::Instant until = expiry();
  const TransportState state = transport_state();
  if (state.in_flight_bytes > 0) {
    return false;
  }
  for (AeadKey& key : tls_reference_.keys) {
    key.free_spare_memory();
  }
  for (HeaderKey& key : tls_reference_.header_keys) {
    key.free_spare_memory();
  }
  if (!arena_->hibernate()) {
    return false;
  }
  hibernates_until_ = until;
  hibernating_state_ = state;
  environment_.counters.connections_hibernating.add();
  environment_.counters.hibernations.add();
  return true;
}

TransportState LibraryConnection::transport_state() const {
  if (is_hibernating()) {
    return hibernating_state_;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn(), &info);
  // The library reports UINT64_MAX before the first sample.
  const ngtcp2_duration min_rtt = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt;
  return {.smoothed_rtt = base::Duration(info.smoothed_rtt),
          .min_rtt = base::Duration(min_rtt),
          .latest_rtt = base::Duration(info.latest_rtt),
          .rtt_variation = base::Duration(info.rttvar),
          .congestion_window_bytes = info.cwnd,
          .in_flight_bytes = info.bytes_in_flight,
          .slow_start_threshold_bytes = info.ssthresh};
}

std::optional<std::uint64_t> LibraryConnection::loss_count() const {
#if NGTCP2_VERSION_NUM >= 0x011000               // 1.16
  if (!is_hibernating() && conn() != nullptr) {  // conn() would wake it
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info(conn(), &info);
    return info.pkt_lost;
  }
#endif
  return std::nullopt;
}

bool LibraryConnection::is_reset_token(std::span<const std::uint8_t> token) const {
  std::vector<ngtcp2_cid_token> ids(ngtcp2_conn_get_active_dcid(conn(), nullptr));
  if (!ids.empty()) {
    ids.resize(ngtcp2_conn_get_active_dcid(conn(), ids.data()));
  }
  // In constant time, so that a peer cannot guess a token byte by byte.
  return std::ranges::any_of(ids, [&](const ngtcp2_cid_token& id) {
    return id.token_present != 0 && token.size() == sizeof(id.token) &&
           gnutls_memcmp(id.token, token.data(), sizeof(id.token)) == 0;
  });
}

}  // namespace knul::quic
