// One QUIC connection, server or client side. Sans-I/O: datagrams and time in, packets and deadlines out.
//
// It owns its parts: the QUIC library's connection, the streams, the unsent DATAGRAMs, and its ending.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/datagram.hpp"
#include "base/deadline_heap.hpp"
#include "base/result.hpp"
#include "quic/connection/close_cause.hpp"
#include "quic/connection/connection_environment.hpp"
#include "quic/connection/connection_statistics.hpp"
#include "quic/connection/datagram_sender.hpp"
#include "quic/connection/ending.hpp"
#include "quic/connection/frame_budget.hpp"
#include "quic/connection/library_connection.hpp"
#include "quic/connection/send_limits.hpp"
#include "quic/connection/shared_places.hpp"
#include "quic/connection/source_table.hpp"
#include "quic/connection/stream_set.hpp"
#include "quic/crypto/tls_context.hpp"
#include "quic/qlog/connection_qlog.hpp"
#include "quic/stream/send_budget.hpp"
#include "quic/wire/connection_id.hpp"
#include "quic/wire/crypto_guard.hpp"
#include "quic/wire/early_packets.hpp"
#include "quic/wire/resend_watch.hpp"

namespace knul::quic {

// The place of a server's connection among the half-open handshakes, see Endpoint.
struct HalfOpenPlace : SharedPlaces::Place {
  base::Instant taken_at{};
};
struct AdmittedPlace : SharedPlaces::Place {};

// Thread: its endpoint's. Lifetime: owned by the endpoint, until on_closed has returned.
class Connection final
    : public base::DeadlineHook,
      public SendBudget::Member,
      public HalfOpenPlace,
      public AdmittedPlace,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  static base::Result<std::unique_ptr<Connection>> accept(const ConnectionEnvironment& environment,
                                                          const TlsServerContext& tls,
                                                          const AcceptedInitial& initial, base::Instant now,
                                                          std::uint64_t number);
  static base::Result<std::unique_ptr<Connection>> connect(const ConnectionEnvironment& environment,
                                                           const TlsClientContext& tls,
                                                           const ConnectTarget& target, base::Instant now,
                                                           std::uint64_t number);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The packets that one connection may bring in one turn of the loop (one value of `now`), so that a flood
  // of cheap frames leaves other connections their share. An honest upload at full speed stays below.
  static constexpr unsigned kPacketsPerTurn = 4'096;

  // --- For the endpoint, which checks has_ended() after each call.
  // Counts a packet. False: the connection has used up its packets of this turn.
  [[nodiscard]] bool admit_packet(base::Instant now) {
    turn_packets_ = now == turn_ ? turn_packets_ + 1 : 1;
    turn_ = now;
    return turn_packets_ <= kPacketsPerTurn;
  }
  // False: the peer has sent too many small frames, see frame_budget.hpp.
  [[nodiscard]] bool has_frames_left(base::Instant now) const {
    return frame_budget_.admits_packet(environment_.frame_budget, now);
  }
  void read(const base::ReceivedDatagram& datagram, base::Instant now);
  void handle_expiry(base::Instant now);
  // Writes one round of packets. True: it has more to write in another round.
  bool write(base::SendBatch& batch, base::Instant now);
  // The earliest of the library's timers, due stream credit and the time for try_hibernate().
  [[nodiscard]] base::Instant next_expiry() const;
  // True: the connection has been idle for long enough to hibernate, and the library has no work at present.
  [[nodiscard]] bool can_hibernate(base::Instant now) const {
    return !is_hibernating() && may_hibernate() && now >= hibernates_at_ && library_.is_at_rest(now);
  }
  // Requires can_hibernate(). Packs the library's memory until the connection is used again in any way.
  // Postpones that when memory for the packed copy is short.
  void try_hibernate(base::Instant now);
  // Until some time within the next four seconds, so that postponed connections do not retry together.
  void postpone_hibernation(base::Instant now);
  // The memory that try_hibernate() would pack. Requires can_hibernate().
  [[nodiscard]] std::size_t arena_bytes() const { return library_.arena_bytes(); }
  [[nodiscard]] bool is_hibernating() const { return library_.is_hibernating(); }

  [[nodiscard]] bool has_ended() const { return ending_.has_ended(); }
  [[nodiscard]] const CloseCause& cause() const { return ending_.cause(); }
  // The CONNECTION_CLOSE to send on `path`; empty when none is sent.
  [[nodiscard]] std::vector<std::uint8_t> take_close_packet(base::Path& path, base::Instant now);
  // How long late packets may arrive after the end (RFC 9000 §10.2).
  [[nodiscard]] base::Duration closing_period() const { return 3 * library_.probe_timeout(); }
  // Reports room to streams whose writes accepted fewer bytes than given.
  void notify_writable() {
    if (!has_ended()) {
      streams_.notify_writable();
    }
  }
  // True for the token of a Stateless Reset that ends this connection (RFC 9000 §10.3.1).
  [[nodiscard]] bool is_reset_token(std::span<const std::uint8_t> token) const {
    return !has_ended() && library_.is_reset_token(token);
  }
  // The address that the connection was admitted from, for its shares of common resources. A migration does
  // not change it. Called once, before any use.
  void set_source(SourceRef source);
  [[nodiscard]] const SourceRef& source() const { return source_; }
  // True for a peer that will probably not recover, `since` after its last acknowledgement of data in send
  // memory: after several probe timeouts with data in flight, after a longer time when flow control forbids
  // sending (RFC 9000 §4.1).
  [[nodiscard]] bool has_stalled(base::Duration since) const;
  // The time of the last packet received or sent.
  [[nodiscard]] base::Instant last_active_at() const { return last_active_at_; }
  // Closes it with kNoProgressCode.
  void end_for_no_progress(std::string_view reason) noexcept;
  // Ends it without a CONNECTION_CLOSE.
  void evict() noexcept { end(CloseCause::Source::kEvicted, 0, "evicted for another handshake"); }
  // Ends the connection with a transport error. The reason stays empty when memory for it is short.
  void abort(std::uint64_t transport_code, std::string_view reason) noexcept {
    schedule_if(ending_.abort(transport_code, reason));
  }
  void abort(TransportCode code, std::string_view reason) noexcept {
    abort(static_cast<std::uint64_t>(code), reason);
  }
  // All connection IDs of this connection. From then on the caller answers their packets.
  [[nodiscard]] std::vector<ConnectionId> take_routes() { return std::exchange(routes_, {}); }

  // --- The layer above.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] bool is_server() const { return is_server_; }
  [[nodiscard]] bool is_handshake_completed() const { return is_handshake_completed_; }
  [[nodiscard]] const std::string& alpn() const { return alpn_; }
  [[nodiscard]] const std::string& server_name() const { return server_name_; }
  [[nodiscard]] std::uint64_t context() const { return context_; }
  // The handshake resumed an earlier session (RFC 8446 §2.2).
  [[nodiscard]] bool is_resumed() const { return is_resumed_; }
  // Empty before the handshake completes.
  [[nodiscard]] TlsAlgorithms algorithms() const { return algorithms_; }
  // Nullopt without one, and before the handshake completes. A client's connection parses it at each call.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate();
  // The last path that the peer was validated on; while a migration is being validated, still the old path
  // (RFC 9000 §9.3). Before the handshake completes, the path of the first packet.
  [[nodiscard]] const base::Path& path() const { return path_; }
  [[nodiscard]] TransportState transport_state() const { return library_.transport_state(); }
  // Bounded time. Weak case below ngtcp2 1.16: losses of open streams count for 128 streams only, until they
  // close.
  [[nodiscard]] ConnectionStatistics statistics(base::Instant now);
  [[nodiscard]] base::Instant created_at() const { return created_at_; }
  [[nodiscard]] base::Duration handshake_time() const { return std::chrono::microseconds(handshake_us_); }
  [[nodiscard]] ConnectionCounts& counts() { return counts_; }
  // Updates the count of lost packets. `of_closed_stream` counts below ngtcp2 1.16 only.
  void count_losses(std::uint64_t of_closed_stream);
  // As the library counts them for each stream. Weak case: of 128 streams at most.
  [[nodiscard]] std::uint64_t losses_of_open_streams();
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
  [[nodiscard]] StreamSet& streams() { return streams_; }
  [[nodiscard]] const StreamSet& streams() const { return streams_; }
  DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes, const DatagramRequest& request);
  bool send_datagram(std::span<const std::uint8_t> bytes) {
    return send_datagram(bytes, {}) == DatagramOutcome::kQueued;
  }
  [[nodiscard]] std::size_t max_datagram_bytes() const { return datagrams_.max_bytes(); }
  [[nodiscard]] bool has_unsent_datagrams() const { return datagrams_.has_unsent(); }
  void close(std::uint64_t application_code, std::string_view reason) noexcept;
  // Changes the keys of both directions. False: the previous update is unconfirmed or too recent (RFC 9001
  // §6.1, §6.5).
  bool begin_key_update(base::Instant now);
  // Only for tests that make a peer misbehave. Lifetime: this object.
  [[nodiscard]] ngtcp2_conn* native() const { return library_.native(); }
  // Set and read by the layer above only.
  void set_user(void* user) { user_ = user; }
  [[nodiscard]] void* user() const { return user_; }

  // --- For the parts.
  // Requests a call of write(), because there is something to send or the connection has ended.
  void schedule() {
    if (!is_linked()) {
      environment_.host.schedule(*this);
    }
  }
  // False: no packet with stream data has been lost.
  [[nodiscard]] bool may_have_lost() const { return resend_watch_.may_resend(); }
  // The library will send RESET_STREAM.
  void note_reset() { resend_watch_.note_cause(); }
  // A stream or a DATAGRAM has used the connection.
  void note_used() { has_been_used_ = true; }

 private:
  friend struct ConnectionCallbacks;

  Connection(const ConnectionEnvironment& environment, std::uint64_t number, bool is_server,
             base::Instant now);
  base::Status init_server(const TlsServerContext& tls, const AcceptedInitial& initial);
  base::Status init_client(const TlsClientContext& tls, const ConnectTarget& target);
  ConnectionId make_route();
  void drop_route(const ConnectionId& id);

  void advance(base::Instant now) { fail_if(library_.advance(now)); }
  // The part of a datagram that the library may read, see early_packets.hpp; may be empty.
  [[nodiscard]] std::span<const std::uint8_t> admit(std::span<const std::uint8_t> datagram);
  // Counts the frames of a packet after its decryption, before the library reads them. False: the connection
  // has ended.
  [[nodiscard]] bool note_frames(std::span<const std::uint8_t> payload, bool is_one_rtt);
  // Checks CRYPTO data of a client. False: the connection has ended.
  [[nodiscard]] bool admit_crypto(ngtcp2_encryption_level level, std::span<const std::uint8_t> data);
  void handle_handshake_completed();
  void handle_new_path(const ngtcp2_path& path);
  void note_activity();
  void count_probe_timeout(base::Instant now);
  [[nodiscard]] bool may_hibernate() const;

  [[nodiscard]] bool is_about_to_send();
  // True: the congestion window has room for a full packet.
  [[nodiscard]] bool has_congestion_window() const {
    return library_.congestion_window_left() >= environment_.transport.max_udp_payload_bytes;
  }
  // What the next packet waits for. Called after a round of packets.
  [[nodiscard]] SendLimit send_limit();
  void count_sent(const SentFrames& frames, std::uint64_t new_stream_bytes);
  WrittenRound write_round(base::SendBatch& batch);
  ngtcp2_ssize write_packet(const PacketRoom& room);

  void end(CloseCause::Source source, std::uint64_t code, std::string_view reason) noexcept {
    schedule_if(ending_.end(source, code, reason));
  }
  void schedule_if(bool has_ended) noexcept {
    if (has_ended) {
      schedule();
    }
  }
  void fail_if(int library_error) noexcept {
    if (library_error != 0) [[unlikely]] {
      schedule_if(ending_.fail(library_error));
    }
  }
  // Cold functions stay out of the code that runs for every packet.
  [[gnu::cold]] void handle_read_error(int result);
  [[gnu::cold]] void fail_tls();
  [[gnu::cold]] void refuse_certificate(CertificateVerdict verdict, std::uint8_t alert_of_library);
  [[gnu::cold]] void abort_for_unseen_streams();

  const ConnectionEnvironment& environment_;
  const std::uint64_t number_;
  std::uint64_t context_ = 0;
  void* user_ = nullptr;
  std::string server_name_;
  SourceRef source_;  // empty for a client's connection
  Ending ending_;
  LibraryConnection library_;

  base::Path path_;
  std::string alpn_;
  CryptoGuard crypto_guard_;
  EarlyPackets early_packets_;
  const bool is_server_;
  bool is_handshake_completed_ = false;
  bool is_handshake_confirmed_ = false;
  bool is_resumed_ = false;
  bool has_been_used_ = false;
  bool has_next_keys_ = false;
  std::uint8_t probes_in_a_row_ = 0;
  TlsAlgorithms algorithms_;
  std::uint32_t handshake_us_ = 0;
  const base::Instant created_at_;
  base::Instant last_in_flight_at_;  // when packets that count as in flight were sent last (RFC 9002 §2)
  base::Instant last_active_at_;
  base::Instant hibernates_at_;  // unless a packet is received or sent before
  base::Instant turn_{};
  unsigned turn_packets_ = 0;
  ResendWatch resend_watch_;
  FrameBudget frame_budget_;
  std::vector<ConnectionId> routes_;
  DatagramSender datagrams_;
  StreamSet streams_;
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  ConnectionCounts counts_;
  SendLimitTimes limits_;
  std::unique_ptr<ConnectionQlog> qlog_;  // null: the connection is not logged
};

}  // namespace knul::quic
