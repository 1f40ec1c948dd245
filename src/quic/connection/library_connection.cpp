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
  wake();  // the library frees what it finds in its memory
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

// 19 KB a connection. Key updates need only the secrets, which the library keeps; CRYPTO data that comes
// later ends the connection before it would reach the session (crypto_guard.hpp).
void LibraryConnection::release_tls_session() {
  ngtcp2_conn_set_tls_native_handle(conn(), nullptr);
  tls_.reset();
  tls_reference_.offered_alpn = {};
}

// The library asserts on a clock that goes backwards.
int LibraryConnection::advance(base::Instant now) {
  int result = 0;
  if (deferred_pacing_.has_value()) {
    const base::Instant due = std::exchange(deferred_pacing_, std::nullopt)->due;
    if (due < now) {
      // At the time that it had, or the library would count the time until now as time that it may make up
      // for.
      now_ = std::max(now_, due);
      result = handle_expiry();
    }
  }
  now_ = std::max(now_, now);
  return result;
}

base::Instant LibraryConnection::next_expiry() const { return is_asleep() ? asleep_until_ : expiry(); }

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

// Where nothing forbids a packet and none is written, the library has none to send. An acknowledgement that
// goes alone, as pacing forbids others, may leave behind what its packet asked for.
void LibraryConnection::note_written(bool might_send, bool has_sent_all, std::size_t written_bytes) {
  if (!might_send) {
    may_have_queued_frames_ = may_have_queued_frames_ || written_bytes > 0;
  } else if (may_have_queued_frames_ && has_sent_all) {
    may_have_queued_frames_ = congestion_window_left() < environment_.transport.max_udp_payload_bytes;
  }
}

// The library's timer for the next packet is of use only while something waits for it. After everything has
// been sent it is left out of next_expiry(), and told to the library late, by advance(): a wake-up saved for
// every answer.
void LibraryConnection::pace(bool has_sent_all) {
  const base::Instant others = expiry();
  ngtcp2_conn_update_pkt_tx_time(conn(), timestamp());
  const base::Instant next_packet = expiry();
  // Acknowledgements alone change nothing, and what was known of earlier packets holds.
  if (next_packet != others) {
    next_packet_at_ = next_packet;
  }
  if (has_sent_all && next_packet < others) {
    deferred_pacing_ = {next_packet, others, false};
  }
}

// The same where everything has been acknowledged before that time. The library tells only the first of its
// timers, and while pacing forbids a packet, not whether it has something to send. So this is only for a
// connection that rests: no stream is open, what was asked of the library has left it, and no packet was
// lost. Behind the timer for pacing there may then be those for upkeep (of paths and connection IDs, probes
// of the path MTU) and for the idle timeout, which can wait.
void LibraryConnection::try_pause() {
  constexpr base::Duration kLongestDelay = std::chrono::seconds(1);
  if (may_send() || expiry() != next_packet_at_) {
    return;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn(), &info);
  // Frames of a lost packet are queued anew. A loss changes the threshold of slow start, but not in BBR,
  // which has none.
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

// Whether an acknowledgement waits for its time, or for something that it can go along with.
bool LibraryConnection::owes_acknowledgement() const {
  const AcknowledgesNow now(*this);
  return expiry() <= now_;
}

int LibraryConnection::open_stream(bool is_bidirectional, std::int64_t& id) {
  return is_bidirectional ? ngtcp2_conn_open_bidi_stream(conn(), &id, nullptr)
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

// Failure is not an error: without a token the client's next connection only costs a round trip.
void LibraryConnection::submit_new_token(std::span<const std::uint8_t> token) {
  may_have_queued_frames_ = true;
  ngtcp2_conn_submit_new_token(conn(), token.data(), token.size());
}

void LibraryConnection::extend_max_streams(bool is_bidirectional, std::uint64_t count) {
  may_have_queued_frames_ = true;
  (is_bidirectional ? ngtcp2_conn_extend_max_streams_bidi : ngtcp2_conn_extend_max_streams_uni)(conn(),
                                                                                                count);
}

void LibraryConnection::extend_max_data(std::uint64_t bytes) {
  may_have_queued_frames_ = true;
  ngtcp2_conn_extend_max_offset(conn(), bytes);
}

// A stream that the library has dropped meanwhile needs no credit, so the result does not matter.
void LibraryConnection::extend_max_stream_data(std::int64_t id, std::uint64_t bytes) {
  may_have_queued_frames_ = true;
  ngtcp2_conn_extend_max_stream_offset(conn(), id, bytes);
}

void LibraryConnection::wake_up() const {
  arena_->wake();
  environment_.counters.connections_hibernating.sub();
}

bool LibraryConnection::try_sleep() {
  const base::Instant until = expiry();
  const TransportState state = transport_state();
  if (state.in_flight_bytes > 0) {
    return false;
  }
  for (AeadKey& key : tls_reference_.keys) {
    key.rest();
  }
  for (HeaderKey& key : tls_reference_.header_keys) {
    key.rest();
  }
  if (!arena_->sleep()) {
    return false;
  }
  asleep_until_ = until;
  asleep_state_ = state;
  environment_.counters.connections_hibernating.add();
  environment_.counters.hibernations.add();
  return true;
}

TransportState LibraryConnection::transport_state() const {
  if (is_asleep()) {
    return asleep_state_;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn(), &info);
  // Without a sample the library says "infinite".
  const ngtcp2_duration min_rtt = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt;
  return {base::Duration(info.smoothed_rtt), base::Duration(min_rtt), info.cwnd, info.bytes_in_flight};
}

bool LibraryConnection::knows_reset_token(std::span<const std::uint8_t> token) const {
  std::vector<ngtcp2_cid_token> ids(ngtcp2_conn_get_active_dcid(conn(), nullptr));
  if (!ids.empty()) {
    ids.resize(ngtcp2_conn_get_active_dcid(conn(), ids.data()));
  }
  // In constant time, so that a token cannot be guessed byte by byte.
  return std::ranges::any_of(ids, [&](const ngtcp2_cid_token& id) {
    return id.token_present != 0 && token.size() == sizeof(id.token) &&
           gnutls_memcmp(id.token, token.data(), sizeof(id.token)) == 0;
  });
}

}  // namespace knul::quic
