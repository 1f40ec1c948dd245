// A connection's life: made, fed, ended.
#include "quic/connection/connection.hpp"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "base/text.hpp"
#include "quic/connection/connection_callbacks.hpp"
#include "quic/connection/transport_settings.hpp"

namespace knul::quic {
namespace {

using base::Error;
using base::ErrorKind;

constexpr std::size_t kMostClosedEarly = 1'000;       // see close_unseen_stream()
constexpr std::size_t kKeptStops = 64;                // whose memory is kept for the next packet
constexpr std::uint8_t kNoApplicationProtocol = 120;  // TLS alert, RFC 7301 §3.2
constexpr std::uint8_t kUnexpectedMessage = 10;       // TLS alert, RFC 8446 §6.2

ngtcp2_conn* native_of(ngtcp2_crypto_conn_ref* reference) {
  return static_cast<ngtcp2_conn*>(reference->user_data);
}

Error library_error(const char* what, int code) {
  const ErrorKind kind = code == NGTCP2_ERR_NOMEM ? ErrorKind::kOutOfMemory : ErrorKind::kInternal;
  return {kind, std::string(what) + ": " + ngtcp2_strerror(code)};
}

}  // namespace

Connection::Connection(const ConnectionEnvironment& environment, std::uint64_t number, bool is_server,
                       base::Instant now)
    : environment_(environment),
      number_(number),
      is_server_(is_server),
      last_now_(now),
      last_active_at_(now),
      sleeps_at_(now),
      credit_bidi_(environment.transport.max_streams_bidi),
      credit_uni_(environment.transport.max_streams_uni),
      datagrams_(environment.blocks),
      window_(environment.transport.initial_max_data_bytes, now) {
  conn_ref_.get_conn = &native_of;
  conn_ref_.protection = environment.protection;
  if (environment.arenas != nullptr) {
    arena_.emplace(*environment.arenas, environment.counters.connection_memory_bytes);
  }
  conn_ref_.tickets = is_server ? nullptr : environment.tickets;
}

Connection::~Connection() {
  wake();  // the library frees what it finds in its memory
  for (const ConnectionId& id : routes_) {
    environment_.host.remove_route(id);
  }
  environment_.counters.streams_active.sub(streams_.size());
  release_datagrams(datagrams_.held_bytes());
  release_buffered(held_bytes());
  note_window_growth(std::uint64_t{0} - window_.beyond_initial_bytes());
}

base::Result<std::unique_ptr<Connection>> Connection::accept(const ConnectionEnvironment& environment,
                                                             const TlsServerContext& tls,
                                                             const AcceptedInitial& initial,
                                                             base::Instant now, std::uint64_t number) {
  std::unique_ptr<Connection> connection(new Connection(environment, number, true, now));
  if (base::Status status = connection->init_server(tls, initial); !status) {
    return std::move(status).error();
  }
  return connection;
}

base::Result<std::unique_ptr<Connection>> Connection::connect(const ConnectionEnvironment& environment,
                                                              const TlsClientContext& tls,
                                                              const ConnectTarget& target, base::Instant now,
                                                              std::uint64_t number) {
  std::unique_ptr<Connection> connection(new Connection(environment, number, false, now));
  if (base::Status status = connection->init_client(tls, target); !status) {
    return std::move(status).error();
  }
  return connection;
}

base::Status Connection::init_server(const TlsServerContext& tls, const AcceptedInitial& initial) {
  TransportSettings made(environment_.transport, to_timestamp(last_now_));
  made.settings.rand_ctx.native_handle = &environment_.random;
  made.settings.token = initial.validated_token.data();
  made.settings.tokenlen = initial.validated_token.size();
  made.settings.token_type = initial.token_type;
  made.params.original_dcid_present = 1;
  made.params.original_dcid = initial.original_dcid.value_or(initial.header.dcid);
  if (initial.original_dcid.has_value()) {
    made.params.retry_scid_present = 1;
    made.params.retry_scid = initial.header.dcid;
  }
  const ConnectionId id = make_route();
  const ngtcp2_cid scid = id.to_ngtcp2();
  made.params.stateless_reset_token_present = 1;
  if (!environment_.reset_tokens.write(id.bytes(), made.params.stateless_reset_token)) {
    return Error{ErrorKind::kOutOfMemory, "stateless reset token"};
  }
  path_ = initial.path;
  const ngtcp2_path path = to_ngtcp2(path_);
  ngtcp2_conn* conn = nullptr;
  if (const int result =
          ngtcp2_conn_server_new(&conn, &initial.header.scid, &scid, &path, initial.header.version,
                                 &server_callbacks(), &made.settings, &made.params, library_memory(), this);
      result != 0) {
    return library_error("connection", result);
  }
  conn_.reset(conn);
  // Until the handshake is over the client also uses the connection ID that it chose itself.
  routes_.reserve(routes_.size() + 1);
  environment_.host.add_route(ConnectionId(initial.header.dcid), *this);
  routes_.emplace_back(initial.header.dcid);
  auto session = tls.create_session(conn_ref_);
  return session ? adopt(*std::move(session)) : std::move(session).error();
}

base::Status Connection::init_client(const TlsClientContext& tls, const ConnectTarget& target) {
  constexpr std::size_t kFirstDcidBytes = 18;
  server_name_ = target.server_name;
  context_ = target.context;
  TransportSettings made(environment_.transport, to_timestamp(last_now_));
  made.settings.rand_ctx.native_handle = &environment_.random;
  std::array<std::uint8_t, kFirstDcidBytes> random_bytes;
  environment_.random.fill(random_bytes);
  const ngtcp2_cid dcid = ConnectionId(random_bytes).to_ngtcp2();
  const ngtcp2_cid scid = make_route().to_ngtcp2();
  path_ = target.path;
  const ngtcp2_path path = to_ngtcp2(path_);
  ngtcp2_conn* conn = nullptr;
  if (const int result =
          ngtcp2_conn_client_new(&conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &client_callbacks(),
                                 &made.settings, &made.params, library_memory(), this);
      result != 0) {
    return library_error("connection", result);
  }
  conn_.reset(conn);
  auto session = tls.create_session(conn_ref_, server_name_);
  return session ? adopt(*std::move(session)) : std::move(session).error();
}

base::Status Connection::adopt(TlsSession session) {
  tls_ = std::move(session);
  conn_ref_.user_data = conn();
  ngtcp2_conn_set_tls_native_handle(conn(), tls_.native());
  return {};
}

ConnectionId Connection::make_route() {
  routes_.push_back(environment_.codec.generate(environment_.random));
  try {
    environment_.host.add_route(routes_.back(), *this);
  } catch (...) {
    routes_.pop_back();  // Invariant: what is on the list is in the table
    throw;
  }
  return routes_.back();
}

void Connection::drop_route(const ConnectionId& id) {
  std::erase(routes_, id);
  environment_.host.remove_route(id);
}

void Connection::read(const base::ReceivedDatagram& datagram, base::Instant now) {
  const ngtcp2_tstamp timestamp = advance(now);
  if (is_over()) {
    return;
  }
  const std::span<const std::uint8_t> payload = admit(datagram.payload);
  if (payload.empty()) {
    return;
  }
  note_activity();
  if (!waiting_for_room_.empty()) {
    note_path_capacity();
  }
  bytes_received_ += datagram.payload.size();
  environment_.counters.packets_received.add();
  const ngtcp2_path path = to_ngtcp2(datagram.path);
  ngtcp2_pkt_info info{};
  info.ecn = static_cast<std::uint8_t>(datagram.ecn);
  int result = 0;
  {
    const ReadingScope scope(*this);
    result = ngtcp2_conn_read_pkt(conn(), &path, &info, payload.data(), payload.size(), timestamp);
  }
  schedule();
  if (result != 0 && !is_over()) {
    handle_read_error(result);
  }
  if (streams_closed_early_ > kMostClosedEarly) {
    abort_for_closed_early();
  }
  if (!stop_sending_seen_.empty()) {
    handle_stops_seen();
  }
  notify_writable();
  if (is_handshake_confirmed_ && is_server_ && tls_.is_open() && !is_over()) {
    release_tls_session();
  }
}

void Connection::abort_for_closed_early() {
  abort(TransportCode::kInternalError,
        "more than " + std::to_string(kMostClosedEarly) +
            " unidirectional streams were reset before any of their data came");
}

void Connection::handle_stops_seen() {
  for (std::size_t i = 0; i < stop_sending_seen_.size() && !is_over(); ++i) {
    handle_stop_sending(stop_sending_seen_[i]);
  }
  stop_sending_seen_.clear();
  if (stop_sending_seen_.capacity() > kKeptStops) {
    std::vector<StopSending>().swap(stop_sending_seen_);
  }
}

std::span<const std::uint8_t> Connection::admit(std::span<const std::uint8_t> datagram) {
  if (is_handshake_completed_ || !is_server_) {
    return datagram;
  }
  // The library has them, and the keys of Handshake packets, once the ClientHello was complete.
  const bool has_handshake_keys = ngtcp2_conn_get_remote_transport_params(conn()) != nullptr;
  const std::span<const std::uint8_t> admitted = early_packets_.admit(datagram, has_handshake_keys);
  if (admitted.size() < datagram.size()) {
    environment_.counters.packets_dropped_early.add();
  }
  return admitted;
}

// RFC 9001 §4.4: after the handshake a client sends no CRYPTO data. The library keeps what is out of order,
// and then CryptoGuard would never see it.
bool Connection::note_frames(std::span<const std::uint8_t> payload, bool is_one_rtt) {
  const PacketFrames frames = scan_frames(payload, stop_sending_seen_);
  frame_budget_.note(environment_.frame_budget, frames.count, payload.size(), last_now_);
  if (!frames.has_crypto || !is_one_rtt || !is_server_) {
    return true;
  }
  environment_.counters.crypto_limit_violations.add();
  abort(NGTCP2_CRYPTO_ERROR | kUnexpectedMessage, "CRYPTO data that a client does not send");
  return false;
}

// 19 KB a connection. Key updates need only the secrets, which the library keeps; CRYPTO data that comes
// later ends the connection before it would reach the session (crypto_guard.hpp).
void Connection::release_tls_session() {
  ngtcp2_conn_set_tls_native_handle(conn(), nullptr);
  tls_.reset();
  conn_ref_.offered_alpn = {};
}

// A NEW_TOKEN spares the client's next connection a Retry (RFC 9000 §8.1.3). Without one it only costs a
// round trip, so failure is not an error.
void Connection::offer_token() {
  const auto token = environment_.address_tokens.make_new_token(path_.remote, last_now_);
  may_hold_frames_ = true;
  ngtcp2_conn_submit_new_token(conn(), token.data(), token.size());
}

void Connection::handle_read_error(int result) {
  switch (result) {
    case NGTCP2_ERR_DRAINING:
      return fail_from_peer();
    case NGTCP2_ERR_CRYPTO:
      return fail_tls();
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      // The library found the first packets useless; the client hears nothing (RFC 9000 §5.2).
      return end({CloseCause::Source::kLocalTransport, NGTCP2_NO_ERROR, "not a connection attempt"});
    default:
      return fail(result);
  }
}

void Connection::fail_from_peer() {
  const ngtcp2_ccerr* error = ngtcp2_conn_get_ccerr(conn());
  const bool is_application = error->type == NGTCP2_CCERR_TYPE_APPLICATION;
  end({is_application ? CloseCause::Source::kPeerApplication : CloseCause::Source::kPeerTransport,
       error->error_code, std::string(reinterpret_cast<const char*>(error->reason), error->reasonlen)});
}

void Connection::fail_tls() {
  const std::uint8_t alert = ngtcp2_conn_get_tls_alert(conn());
  std::string reason = "TLS alert " + std::to_string(alert);
  if (alert == kNoApplicationProtocol && is_server_) {
    environment_.log.write(base::LogLevel::kWarning, base::LogKind::kAlpnRefused, [&] {
      return "connection from " + path().remote.to_string() + " refused: it offers ALPN " +
             base::join(conn_ref_.offered_alpn) + ", accepted is " + environment_.accepted_alpn;
    });
  } else if (const std::string failure = tls_.verification_failure(); !failure.empty()) {
    reason += ": " + failure;
  }
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_tls_alert(&error, alert, nullptr, 0);
  close_error_ = error;
  end({CloseCause::Source::kLocalTransport, error.error_code, std::move(reason)});
}

void Connection::fail(int code) {
  if (code == NGTCP2_ERR_IDLE_CLOSE) {
    return end({CloseCause::Source::kIdleTimeout, 0, "idle timeout"});
  }
  if (code == NGTCP2_ERR_HANDSHAKE_TIMEOUT) {
    return end({CloseCause::Source::kHandshakeTimeout, 0, "handshake timeout"});
  }
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_liberr(&error, code, nullptr, 0);
  close_error_ = error;
  end({CloseCause::Source::kLocalTransport, error.error_code, ngtcp2_strerror(code)});
}

void Connection::abort(std::uint64_t transport_code, std::string_view reason) noexcept {
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_transport_error(&error, transport_code, nullptr, 0);
  end_locally(error, CloseCause::Source::kLocalTransport, reason);
}

void Connection::close(std::uint64_t application_code, std::string_view reason) noexcept {
  end_by_application(CloseCause::Source::kLocalApplication, application_code, reason);
}

void Connection::end_for_no_progress(std::string_view reason) noexcept {
  end_by_application(CloseCause::Source::kNoProgress, kNoProgressCode, reason);
}

void Connection::end_by_application(CloseCause::Source source, std::uint64_t application_code,
                                    std::string_view reason) noexcept {
  constexpr std::size_t kReasonBytes = 256;  // more would not fit beside the other frames of a packet
  constexpr std::uint64_t kLargestCode = (std::uint64_t{1} << 62) - 1;
  ngtcp2_ccerr error;
  ngtcp2_ccerr_set_application_error(&error, std::min(application_code, kLargestCode), nullptr, 0);
  end_locally(error, source, reason.substr(0, kReasonBytes));
}

// Where memory is short, connections have to end all the same.
void Connection::end_locally(const ngtcp2_ccerr& error, CloseCause::Source source,
                             std::string_view reason) noexcept {
  if (is_over()) {
    return;
  }
  CloseCause cause{source, error.error_code, {}};
  try {
    cause.reason = reason;
    close_reason_ = reason;
  } catch (const std::bad_alloc&) {
    close_reason_.clear();
  }
  close_error_ = error;
  close_error_->reason = reinterpret_cast<const std::uint8_t*>(close_reason_.data());
  close_error_->reasonlen = close_reason_.size();
  end(std::move(cause));
}

void Connection::end(CloseCause cause) noexcept {
  if (!cause_.has_value()) {
    cause_ = std::move(cause);
    schedule();
  }
}

bool Connection::knows_reset_token(std::span<const std::uint8_t> token) const {
  std::vector<ngtcp2_cid_token> ids(is_over() ? 0 : ngtcp2_conn_get_active_dcid(conn(), nullptr));
  if (!ids.empty()) {
    ids.resize(ngtcp2_conn_get_active_dcid(conn(), ids.data()));
  }
  return std::ranges::any_of(ids, [&](const ngtcp2_cid_token& id) {
    // In constant time, so that a token cannot be guessed byte by byte.
    unsigned difference = id.token_present != 0 ? 0 : 1;
    for (std::size_t i = 0; i < sizeof(id.token); ++i) {
      difference |= static_cast<unsigned>(id.token[i] ^ token[i]);
    }
    return difference == 0;
  });
}

bool Connection::has_stalled(base::Duration since) const {
  // A reader that pauses says nothing meanwhile, so it gets more time than a peer that is to acknowledge.
  constexpr base::Duration kLongestPause = std::chrono::seconds(10);
  return since >= (transport_state().in_flight_bytes > 0 ? closing_period() : kLongestPause);
}

base::Duration Connection::closing_period() const {
  return base::Duration(static_cast<std::int64_t>(3 * ngtcp2_conn_get_pto(conn())));
}

std::vector<std::uint8_t> Connection::take_close_packet(base::Path& path_out, base::Instant now) {
  std::vector<std::uint8_t> packet;
  if (!close_error_.has_value()) {
    return packet;
  }
  packet.resize(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize written = ngtcp2_conn_write_connection_close(
      conn(), &storage.path, &info, packet.data(), packet.size(), &*close_error_, advance(now));
  packet.resize(written > 0 ? static_cast<std::size_t>(written) : 0);
  path_out = from_ngtcp2(storage.path);
  return packet;
}

TransportState Connection::transport_state() const {
  if (is_asleep()) {
    return asleep_state_;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn(), &info);
  // Without a sample the library says "infinite".
  const ngtcp2_duration min_rtt = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt;
  return {base::Duration(info.smoothed_rtt), base::Duration(min_rtt), info.cwnd, info.bytes_in_flight};
}

}  // namespace knul::quic
