// The life of a connection: creation, input, hibernation and end.
#include "quic/connection/connection.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "quic/connection/certificate_counters.hpp"
#include "quic/connection/connection_callbacks.hpp"
#include "quic/connection/connection_qlog_notes.hpp"
#include "quic/connection/transport_settings.hpp"

namespace knul::quic {
namespace {

constexpr std::uint8_t kNoApplicationProtocol = 120;  // TLS alert, RFC 7301 §3.2
constexpr std::uint8_t kUnexpectedMessage = 10;       // TLS alert, RFC 8446 §6.2
// A connection without a stream or DATAGRAM in this time after its handshake is probably kept for later use,
// so it hibernates early.
constexpr base::Duration kUnusedFor = std::chrono::milliseconds(100);

// Removes an Initial packet from the front of a datagram with others. A client that has sent Handshake
// packets has discarded the Initial keys (RFC 9001 §4.9.1), and some clients ignore all that follows a packet
// that they cannot decrypt. Returns the number of packets that it removed.
std::size_t remove_initial(std::vector<std::uint8_t>& datagram) {
  ngtcp2_pkt_hd header{};
  const ngtcp2_ssize read = ngtcp2_pkt_decode_hd_long(&header, datagram.data(), datagram.size());
  const std::size_t size = read > 0 ? static_cast<std::size_t>(read) + header.len : 0;
  if (header.type != NGTCP2_PKT_INITIAL || size >= datagram.size()) {
    return 0;
  }
  datagram.erase(datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(size));
  return 1;
}

}  // namespace

Connection::Connection(const ConnectionEnvironment& environment, std::uint64_t number, bool is_server,
                       base::Instant now)
    : environment_(environment),
      number_(number),
      library_(environment, is_server, now),
      is_server_(is_server),
      created_at_(now),
      last_in_flight_at_(now),
      last_active_at_(now),
      hibernates_at_(now),
      datagrams_(environment, *this, library_),
      streams_(environment, *this, library_),
      limits_(now) {}

Connection::~Connection() {
  count_losses(0);
  for (const ConnectionId& id : routes_) {
    environment_.host.remove_route(id);
  }
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
  TransportSettings made(environment_.transport, to_timestamp(library_.now()));
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
  made.params.stateless_reset_token_present = 1;
  if (!environment_.reset_tokens.write(id.bytes(), made.params.stateless_reset_token)) {
    return base::Error{base::ErrorKind::kOutOfMemory, "no memory for a stateless reset token"};
  }
  path_ = initial.path;
  if (base::Status status = library_.create_server(initial, id, made, this); !status) {
    return status;
  }
  if (environment_.qlog != nullptr) {
    qlog_ = open_qlog(*environment_.qlog, library_, path_,
                      {id.bytes(), {initial.header.scid.data, initial.header.scid.datalen}});
  }
  // The client also uses the connection ID that it chose itself until the handshake has completed. Reserved
  // first: an ID in the endpoint's table must be in routes_ too.
  routes_.reserve(routes_.size() + 1);
  environment_.host.add_route(ConnectionId(initial.header.dcid), *this);
  routes_.emplace_back(initial.header.dcid);
  return library_.adopt(tls.create_session(library_.tls_reference()));
}

base::Status Connection::init_client(const TlsClientContext& tls, const ConnectTarget& target) {
  server_name_ = target.server_name;
  context_ = target.context;
  path_ = target.path;
  TransportSettings made(environment_.transport, to_timestamp(library_.now()));
  if (base::Status status = library_.create_client(path_, make_route(), made, this); !status) {
    return status;
  }
  return library_.adopt(tls.create_session(library_.tls_reference(), server_name_));
}

ConnectionId Connection::make_route() {
  routes_.push_back(environment_.codec.generate(environment_.random));
  try {
    environment_.host.add_route(routes_.back(), *this);
  } catch (...) {
    routes_.pop_back();  // Invariant: every ID in routes_ is in the endpoint's table
    throw;
  }
  return routes_.back();
}

void Connection::drop_route(const ConnectionId& id) {
  std::erase(routes_, id);
  environment_.host.remove_route(id);
}

void Connection::set_source(SourceRef source) {
  source_ = std::move(source);
  SendBudget::Member::set_source(source_->send);
  streams_.set_source(*source_);
}

void Connection::read(const base::ReceivedDatagram& datagram, base::Instant now) {
  advance(now);
  if (has_ended()) {
    return;
  }
  const std::span<const std::uint8_t> payload = admit(datagram.payload);
  if (payload.empty()) {
    return;
  }
  note_activity();
  streams_.note_reading();
  bytes_received_ += datagram.payload.size();
  environment_.counters.packets_received.add();
  ++counts_.packets_received;
  probes_in_a_row_ = 0;
  if (qlog_ != nullptr) [[unlikely]] {
    qlog_->begin_datagram(payload);
  }
  int result = 0;
  environment_.stops_seen.clear();
  {
    const ReadingScope scope(*this);
    result = library_.read(datagram, payload);
  }
  if (qlog_ != nullptr) [[unlikely]] {
    note_read(*qlog_, library_);
    if (!qlog_->is_open()) {
      qlog_.reset();
    }
  }
  // Writing also arms the deadline again, even without a packet to send.
  schedule();
  if (result != 0 && !has_ended()) {
    handle_read_error(result);
  }
  if (streams_.has_too_many_unseen()) {
    abort_for_unseen_streams();
  }
  streams_.handle_stops(environment_.stops_seen);
  notify_writable();
  // Not earlier: the library may use the session until its read has returned.
  if (is_handshake_confirmed_ && is_server_ && library_.tls().is_open() && !has_ended()) {
    library_.release_tls_session();
  }
}

std::span<const std::uint8_t> Connection::admit(std::span<const std::uint8_t> datagram) {
  if (is_handshake_completed_ || !is_server_) {
    return datagram;
  }
  // A complete ClientHello gives the library the peer's parameters and the keys of Handshake packets.
  using Keys = EarlyPackets::HandshakeKeys;
  const Keys keys = library_.peer_parameters() != nullptr ? Keys::kAvailable : Keys::kMissing;
  const std::span<const std::uint8_t> admitted = early_packets_.admit(datagram, keys);
  if (admitted.size() < datagram.size()) {
    KNUL_DROP_PACKET(environment_.counters, early);
    if (qlog_ != nullptr) {
      qlog_->note_dropped_early(datagram.size() - admitted.size(), library_.now());
    }
    environment_.log.write(base::LogLevel::kInfo, base::LogKind::kEarlyPackets, [&] {
      return "packet from " + path().remote.to_string() +
             " dropped: it arrived before its keys; the bytes kept per handshake are " +
             std::to_string(EarlyPackets::kMostBytes);
    });
  }
  return admitted;
}

// RFC 9001 §4.4: a client sends no CRYPTO data after the handshake. CryptoGuard would not see such data out
// of order, because the library buffers it.
bool Connection::note_frames(std::span<const std::uint8_t> payload, bool is_one_rtt) {
  ResendWatch of_handshake;  // not used
  const PacketFrames frames =
      scan_frames(payload, environment_.stops_seen, is_one_rtt ? resend_watch_ : of_handshake);
  if (!environment_.stops_seen.empty()) {
    resend_watch_.note_cause();  // the library answers with RESET_STREAM
  }
  frame_budget_.note(environment_.frame_budget, frames.count, payload.size(), library_.now());
  if (!frames.has_crypto || !is_one_rtt || !is_server_) {
    return true;
  }
  environment_.counters.crypto_limit_violations.add();
  abort(NGTCP2_CRYPTO_ERROR | kUnexpectedMessage, "unexpected CRYPTO data");
  return false;
}

bool Connection::admit_crypto(ngtcp2_encryption_level level, std::span<const std::uint8_t> data) {
  const CryptoVerdict verdict = crypto_guard_.check_client_data(level, data);
  if (verdict == CryptoVerdict::kPass) {
    return true;
  }
  environment_.counters.crypto_limit_violations.add();
  abort(verdict == CryptoVerdict::kTooMuch ? NGTCP2_CRYPTO_BUFFER_EXCEEDED
                                           : NGTCP2_CRYPTO_ERROR | kUnexpectedMessage,
        "unexpected CRYPTO data");
  return false;
}

void Connection::handle_handshake_completed() {
  TlsSession& tls = library_.tls();
  is_handshake_completed_ = true;
  const base::Duration took = library_.now() - created_at_;
  environment_.counters.handshake_time.record(took);
  handshake_us_ = static_cast<std::uint32_t>(took.count() / 1'000);  // at most ten minutes, by its timeout
  alpn_ = tls.alpn();
  algorithms_ = tls.algorithms();
  if (is_server_) {
    server_name_ = tls.server_name();
    const TlsServerContext& context = *library_.tls_reference().server;
    context.note_handshake();
    if (context.gives_tickets()) {
      tls.send_ticket();
    }
    if (library_.tls_reference().client_certificate) {
      environment_.counters.client_certificates_accepted.add();
    }
    // RFC 9000 §8.1.3: this token saves the client's next connection a Retry.
    library_.submit_new_token(environment_.address_tokens.make_new_token(path_.remote, library_.now()));
    is_handshake_confirmed_ = true;  // RFC 9001 §4.1.2: a server confirms the handshake when it completes
  }
  is_resumed_ = tls.is_resumed();
  if (is_resumed_) {
    environment_.counters.handshakes_resumed.add();
  }
  if (qlog_ != nullptr) {
    qlog_->note_handshake_completed({algorithms_.cipher_name(), alpn_, is_resumed_}, library_.now());
  }
  environment_.host.note_handshake_completed(*this);
  environment_.observer.on_handshake_completed(*this);
}

void Connection::handle_new_path(const ngtcp2_path& path) {
  path_ = from_ngtcp2(path);
  resend_watch_.note_cause();
  streams_.note_new_path();
  if (qlog_ != nullptr) {
    qlog_->note_path(path_, library_.now());
  }
}

std::optional<PeerCertificate> Connection::peer_certificate() {
  if (!is_handshake_completed_) {
    return std::nullopt;
  }
  const TlsConnRef& reference = library_.tls_reference();
  if (is_server_) {
    return reference.client_certificate ? std::optional(reference.client_certificate.unpack()) : std::nullopt;
  }
  std::optional<PeerCertificate> certificate = library_.tls().peer_certificate();
  if (certificate) {
    certificate->is_verified = reference.client->verifies_peer();
  }
  return certificate;
}

DatagramOutcome Connection::send_datagram(std::span<const std::uint8_t> bytes,
                                          const DatagramRequest& request) {
  const DatagramOutcome outcome = datagrams_.send(bytes, request);
  if (outcome == DatagramOutcome::kQueued) {
    note_used();
    schedule();
  }
  return outcome;
}

bool Connection::begin_key_update(base::Instant now) {
  advance(now);
  return library_.begin_key_update();
}

void Connection::handle_expiry(base::Instant now) {
  advance(now);
  count_probe_timeout(now);
  fail_if(library_.handle_expiry());
  schedule();
}

base::Instant Connection::next_expiry() const {
  if (is_hibernating()) {
    return library_.next_expiry();
  }
  // Invariant: a connection that may hibernate has no credit due, see StreamSet::is_at_rest().
  return std::min(library_.next_expiry(), may_hibernate() ? hibernates_at_ : streams_.credit_due_at());
}

// False while a packet or a call is sure to follow soon.
bool Connection::may_hibernate() const {
  return library_.has_arena() && is_handshake_confirmed_ && streams_.is_at_rest() &&
         !datagrams_.has_unsent() && !is_linked() && !has_ended();
}

void Connection::note_activity() {
  const base::Duration after = environment_.transport.hibernate_after;
  last_active_at_ = library_.now();
  hibernates_at_ = last_active_at_ + (has_been_used_ ? after : std::min(after, kUnusedFor));
}

void Connection::try_hibernate(base::Instant now) {
  count_losses(0);
  if (!library_.try_hibernate()) {
    return postpone_hibernation(now);
  }
  ++counts_.hibernations;
  streams_.free_spare_memory();
  routes_.shrink_to_fit();
}

void Connection::postpone_hibernation(base::Instant now) {
  hibernates_at_ = now + std::chrono::milliseconds(1 + number_ % 4'096);
}

// RFC 9002 §6.2.1: the timeout doubles each time until an acknowledgement arrives. The library (ngtcp2 1.11)
// does not report it. Weak case: while probes are unanswered, a packet without data delays the next count.
void Connection::count_probe_timeout(base::Instant now) {
  constexpr unsigned kMostDoublings = 16;
  if (is_hibernating()) {
    return;
  }
  const base::Duration since = now - last_in_flight_at_;
  const base::Duration timeout = library_.probe_timeout();
  if (since < timeout || library_.transport_state().in_flight_bytes == 0) {
    return;
  }
  resend_watch_.note_cause();
  if (since < timeout * (1U << probes_in_a_row_)) {
    return;
  }
  ++counts_.probe_timeouts;
  environment_.counters.probe_timeouts.add();
  probes_in_a_row_ = static_cast<std::uint8_t>(std::min<unsigned>(probes_in_a_row_ + 1U, kMostDoublings));
}

void Connection::count_losses(std::uint64_t of_closed_stream) {
  const std::uint64_t total = library_.loss_count().value_or(counts_.packets_lost + of_closed_stream);
  const auto count = static_cast<std::uint32_t>(total);  // may wrap, as the difference does
  environment_.counters.packets_lost.add(static_cast<std::uint32_t>(count - counts_.packets_lost));
  counts_.packets_lost = count;
}

std::uint64_t Connection::losses_of_open_streams() {
  constexpr std::size_t kMostStreams = 128;  // so that its time is bounded
  std::uint64_t lost = 0;
  if (!is_hibernating()) {  // a hibernating connection has no stream
    streams_.for_first(kMostStreams,
                       [&](const Stream& stream) { lost += library_.stream_loss_count(stream.id); });
  }
  return lost;
}

ConnectionStatistics Connection::statistics(base::Instant now) {
  count_losses(0);
  const std::uint64_t packets_lost =
      counts_.packets_lost + (library_.loss_count() ? 0 : losses_of_open_streams());
  return {.transport = library_.transport_state(),
          .counts = counts_,
          .packets_lost = packets_lost,
          .bytes_received = bytes_received_,
          .bytes_sent = bytes_sent_,
          .streams_active = streams_.count(),
          .memory_bytes = sizeof(*this) + library_.resident_bytes() + library_.certificate_bytes() +
                          streams_.count() * sizeof(Stream) + SendBudget::Member::held_bytes(),
          .age = now - created_at_,
          .idle = now - std::min(now, last_active_at_),
          .handshake_time = handshake_time(),
          .limit = limits_.current(),
          .limit_shares = limits_.shares(now)};
}

void Connection::handle_read_error(int result) {
  switch (result) {
    case NGTCP2_ERR_DRAINING:
      return schedule_if(ending_.end_by_peer(*ngtcp2_conn_get_ccerr(library_.native())));
    case NGTCP2_ERR_CRYPTO:
      return fail_tls();
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      // The library discarded the first packets as invalid; no close is sent to the client (RFC 9000 §5.2).
      return end(CloseCause::Source::kLocalTransport, NGTCP2_NO_ERROR, "invalid connection attempt");
    default:
      return fail_if(result);
  }
}

void Connection::fail_tls() {
  const std::uint8_t alert = ngtcp2_conn_get_tls_alert(library_.native());
  std::string reason = "TLS alert " + std::to_string(alert);
  if (alert == kNoApplicationProtocol && is_server_) {
    environment_.log.write(base::LogLevel::kWarning, base::LogKind::kAlpnRefused, [&] {
      return "connection from " + path().remote.to_string() + " refused: it offers ALPN " +
             base::join(library_.tls_reference().offered_alpn) + ", expected one of " +
             environment_.accepted_alpn;
    });
  } else if (is_server_ && library_.tls_reference().certificate_verdict != CertificateVerdict::kNone) {
    return refuse_certificate(library_.tls_reference().certificate_verdict, alert);
  } else if (const std::string failure = library_.tls().verification_failure(); !failure.empty()) {
    reason += ": " + failure;
  }
  schedule_if(ending_.fail_tls(alert, reason));
}

void Connection::refuse_certificate(CertificateVerdict verdict, std::uint8_t alert_of_library) {
  refusals_of(verdict, environment_.counters).add();
  const std::uint8_t alert = alert_of(verdict) != 0 ? alert_of(verdict) : alert_of_library;
  const std::string why = "TLS alert " + std::to_string(alert) + ": " + std::string(text_of(verdict));
  environment_.log.write(base::LogLevel::kWarning, base::LogKind::kClientCertificate,
                         [&] { return "connection from " + path().remote.to_string() + " refused: " + why; });
  schedule_if(ending_.fail_tls(alert, why));
}

void Connection::abort_for_unseen_streams() {
  environment_.counters.unseen_stream_limit_violations.add();
  abort(TransportCode::kInternalError, "more than " + std::to_string(StreamSet::kMostUnseen) +
                                           " unidirectional streams were reset before their data arrived");
}

void Connection::close(std::uint64_t application_code, std::string_view reason) noexcept {
  schedule_if(ending_.end_by_application(CloseCause::Source::kLocalApplication, application_code, reason));
}

void Connection::end_for_no_progress(std::string_view reason) noexcept {
  schedule_if(ending_.end_by_application(CloseCause::Source::kNoProgress, kNoProgressCode, reason));
}

bool Connection::has_stalled(base::Duration since) const {
  // While its reader pauses, a peer sends no credit. So it gets more time than a peer that owes
  // acknowledgements.
  constexpr base::Duration kLongestPause = std::chrono::seconds(10);
  return since >= (transport_state().in_flight_bytes > 0 ? closing_period() : kLongestPause);
}

std::vector<std::uint8_t> Connection::take_close_packet(base::Path& path_out, base::Instant now) {
  std::vector<std::uint8_t> packet;
  const ngtcp2_ccerr* const error = ending_.close_error();
  if (error == nullptr) {
    if (qlog_ != nullptr) {
      note_closed(*qlog_, cause(), library_.now());
    }
    return packet;
  }
  packet.resize(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info{};
  advance(now);
  const WritingScope scope(WritingScope::Frames::kNotCounted, qlog_.get());
  const ngtcp2_ssize written = library_.write_close({packet, &storage.path, &info}, *error);
  packet.resize(written > 0 ? static_cast<std::size_t>(written) : 0);
  std::size_t removed_packets = 0;
  if (is_server_ && library_.tls_reference().certificate_verdict != CertificateVerdict::kNone) {
    removed_packets = remove_initial(packet);
  }
  if (qlog_ != nullptr) {
    qlog_->end_datagram(packet.size(), library_.now(), removed_packets);
    note_closed(*qlog_, cause(), library_.now());
  }
  path_out = from_ngtcp2(storage.path);
  return packet;
}

}  // namespace knul::quic
