// One QUIC connection around an ngtcp2_conn, server or client side. Sans-I/O: datagrams and time in,
// packets and deadlines out. Everything that the library must not be asked from inside its own callbacks
// is noted and done before the next packet is written.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <ngtcp2/ngtcp2.h>

#include <array>
#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/datagram.hpp"
#include "base/deadline_heap.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "quic/connection/close_cause.hpp"
#include "quic/connection/connection_observer.hpp"
#include "quic/connection/frame_budget.hpp"
#include "quic/connection/shared_places.hpp"
#include "quic/connection/source_table.hpp"
#include "quic/connection/transport_options.hpp"
#include "quic/crypto/protection_library.hpp"
#include "quic/crypto/tls_context.hpp"
#include "quic/memory/block_pool.hpp"
#include "quic/memory/connection_arena.hpp"
#include "quic/stream/datagram_queue.hpp"
#include "quic/stream/receive_window.hpp"
#include "quic/stream/send_budget.hpp"
#include "quic/stream/stream.hpp"
#include "quic/stream/stream_credit.hpp"
#include "quic/wire/address_tokens.hpp"
#include "quic/wire/connection_id.hpp"
#include "quic/wire/crypto_guard.hpp"
#include "quic/wire/early_packets.hpp"
#include "quic/wire/frame_scanner.hpp"
#include "quic/wire/reset_tokens.hpp"
#include "stats/worker_counters.hpp"

namespace knul::quic {

class Connection;

// What loss recovery and congestion control know. Before the first sample min_rtt is 0 and
// smoothed_rtt the assumption of RFC 9002 §6.2.2.
struct TransportState {
  base::Duration smoothed_rtt{};
  base::Duration min_rtt{};
  std::uint64_t congestion_window_bytes = 0;
  std::uint64_t in_flight_bytes = 0;
};

// What a connection tells its endpoint.
class ConnectionHost {
 public:
  // A destination connection ID that leads to `connection`, or no longer does.
  virtual void add_route(const ConnectionId& id, Connection& connection) = 0;
  virtual void remove_route(const ConnectionId& id) = 0;
  // `connection` has something to send or has ended. Called while it is not linked.
  virtual void schedule(Connection& connection) = 0;
  virtual void note_handshake_completed(Connection& connection) = 0;

 protected:
  ~ConnectionHost() = default;
};

// What a connection needs from its endpoint. Lifetime: longer than the connection.
struct ConnectionEnvironment {
  const TransportOptions& transport;
  ConnectionObserver& observer;
  ConnectionHost& host;
  const ConnectionIdCodec& codec;
  const std::string& accepted_alpn;  // for the message that explains a refusal
  AddressTokens& address_tokens;
  ResetTokens& reset_tokens;
  const ProtectionLibrary* protection;  // null: GnuTLS protects packets
  TicketStore* tickets;                 // of a client; null: it resumes no sessions
  ArenaPool* arenas;                    // null: the library's memory is the heap's
  BlockPool& blocks;
  SendBudget& send_budget;
  ReceiveBudget& receive_budget;
  SharedFrameBudget& frame_budget;
  base::RandomSource& random;
  base::LogSink& log;
  stats::WorkerCounters& counters;
};

// What a server knows from the first packet of a connection.
struct AcceptedInitial {
  ngtcp2_pkt_hd header{};
  base::Path path;
  std::span<const std::uint8_t> validated_token;  // empty: none
  ngtcp2_token_type token_type = NGTCP2_TOKEN_TYPE_UNKNOWN;
  std::optional<ngtcp2_cid> original_dcid;  // of the Initial before a Retry
};

struct ConnectTarget {
  base::Path path;
  std::string server_name;
  std::uint64_t context = 0;
};

// Of a server's connection, see Endpoint.
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

  // What one connection may bring in one turn of the loop (one value of `now`), so that a flood of cheap
  // frames leaves the others their share. An honest upload at full speed stays below.
  static constexpr unsigned kPacketsPerTurn = 4'096;

  // --- Endpoint's side. After each call the endpoint looks at is_over().
  // False: this turn's packets are used up.
  [[nodiscard]] bool takes_packet(base::Instant now) {
    turn_packets_ = now == turn_ ? turn_packets_ + 1 : 1;
    turn_ = now;
    return turn_packets_ <= kPacketsPerTurn;
  }
  // False: it has brought too many small frames, see frame_budget.hpp.
  [[nodiscard]] bool has_frames_left(base::Instant now) const {
    return frame_budget_.takes_packet(environment_.frame_budget, now);
  }
  void read(const base::ReceivedDatagram& datagram, base::Instant now);
  void handle_expiry(base::Instant now);
  // Writes one round of packets; true when it would write more in another round.
  bool write(base::SendBatch& batch, base::Instant now);
  // Of the library, or when to try_sleep.
  [[nodiscard]] base::Instant next_expiry() const;
  // Whether it has been idle for long enough to hibernate, and the library has nothing to do at present.
  [[nodiscard]] bool is_sleepy(base::Instant now) const {
    const bool is_paused = unheeded_pacing_.has_value() && unheeded_pacing_->is_pause;
    return !is_asleep() && may_sleep() && now >= sleeps_at_ && now < library_expiry() && !is_paused;
  }
  // While it is sleepy. What the library keeps is packed until the connection is used again, in whatever
  // way. Without the memory for that it is postponed.
  void try_sleep(base::Instant now);
  // Until some time within the next four seconds.
  void postpone_sleep(base::Instant now);
  // What would have to be packed; only where is_sleepy().
  [[nodiscard]] std::size_t arena_bytes() const { return arena_->used_bytes(); }
  [[nodiscard]] bool is_asleep() const { return arena_.has_value() && arena_->is_asleep(); }

  [[nodiscard]] bool is_over() const { return cause_.has_value(); }
  [[nodiscard]] const CloseCause& cause() const { return *cause_; }
  // The CONNECTION_CLOSE to send, empty when the peer is to hear nothing; `path` is where to.
  [[nodiscard]] std::vector<std::uint8_t> take_close_packet(base::Path& path, base::Instant now);
  // How long late packets are to be expected; RFC 9000 §10.2.
  [[nodiscard]] base::Duration closing_period() const;
  // Tells streams whose writes were cut short that there is room again.
  void notify_writable() {
    if (!waiting_for_room_.empty() && !is_over()) {
      tell_of_room();
    }
  }
  // Whether a Stateless Reset with this token ends the connection. RFC 9000 §10.3.1.
  [[nodiscard]] bool knows_reset_token(std::span<const std::uint8_t> token) const;
  // Where it was admitted from, for its share of what all use together; a migration does not change it. Once,
  // before it is used.
  void set_source(SourceRef source) {
    source_ = std::move(source);
    SendBudget::Member::set_source(source_->send);
  }
  [[nodiscard]] const SourceRef& source() const { return source_; }
  // Whether a peer that has acknowledged nothing of what is kept for it `since` then gives no hope: longer
  // than several probe timeouts, or for much longer if it is not to send it at present (RFC 9000 §4.1).
  [[nodiscard]] bool has_stalled(base::Duration since) const;
  // Since when it has neither received nor sent.
  [[nodiscard]] base::Instant last_active_at() const { return last_active_at_; }
  // Closes it with kNoProgressCode.
  void end_for_no_progress(std::string_view reason) noexcept;
  // Ends it; the peer hears nothing.
  void evict() { end({CloseCause::Source::kEvicted, 0, "its place was given to another handshake"}); }
  // Ends the connection with a transport error. Without the memory for the reason it has none.
  [[gnu::cold]] void abort(std::uint64_t transport_code, std::string_view reason) noexcept;
  [[gnu::cold]] void abort(TransportCode code, std::string_view reason) noexcept {
    abort(static_cast<std::uint64_t>(code), reason);
  }
  // All connection IDs that lead here; from now on the caller answers for them.
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
  // The path that the peer has last proved to be reachable on; while a migration is being validated this is
  // still the old one (RFC 9000 §9.3). Before the handshake is complete, the one it began on.
  [[nodiscard]] const base::Path& path() const { return path_; }
  [[nodiscard]] TransportState transport_state() const;
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }

  // kConcurrencyLimit without credit, kWrongState when closing.
  base::Result<Stream*> open_stream(bool is_bidirectional);
  [[nodiscard]] Stream* find_stream(std::int64_t id);
  // See krepis::Connection for the meaning; `is_fin` is taken with the last byte only.
  std::size_t write_copy(Stream& stream, std::span<const std::uint8_t> bytes, bool is_fin);
  std::size_t write_shared(Stream& stream, std::shared_ptr<const void> owner,
                           std::span<const std::uint8_t> bytes, bool is_fin);
  // What a write of `wanted_bytes` would take of them; exact only when that is less.
  [[nodiscard]] std::size_t writable_bytes(const Stream& stream, std::size_t wanted_bytes = SIZE_MAX) const;
  void consume(Stream& stream, std::uint64_t bytes);
  void reset_stream(Stream& stream, std::uint64_t code);
  void stop_sending(Stream& stream, std::uint64_t code);
  // Its end is not told, and not replaced by credit, before release_stream.
  // Nothing for one that ends already, of which on_stream_closed tells.
  void retain_stream(Stream& stream) { stream.is_retained = !stream.is_finished(); }
  void release_stream(Stream& stream);
  void set_priority(Stream& stream, std::uint8_t urgency, bool is_incremental);
  DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes, const DatagramRequest& request);
  bool send_datagram(std::span<const std::uint8_t> bytes) {
    return send_datagram(bytes, {}) == DatagramOutcome::kQueued;
  }
  [[nodiscard]] std::size_t max_datagram_bytes() const;
  void close(std::uint64_t application_code, std::string_view reason) noexcept;
  // From now on closed streams of the peer are not replaced by new credit.
  void freeze_stream_credit() { is_credit_frozen_ = true; }

  [[nodiscard]] std::size_t stream_count() const { return streams_.size(); }
  // Of streams.
  [[nodiscard]] std::uint64_t buffered_bytes() const { return held_bytes() - datagrams_.held_bytes(); }
  [[nodiscard]] bool has_unsent_datagrams() const { return !datagrams_.is_empty(); }
  template <class Visit>
  void for_each_stream(Visit visit) {
    for (auto& [id, stream] : streams_)
      visit(*stream);
  }
  // Changes the keys of both directions. False: the last update is not confirmed yet, or too recent (RFC 9001
  // §6.1, §6.5).
  bool begin_key_update(base::Instant now) {
    return ngtcp2_conn_initiate_key_update(conn(), advance(now)) == 0;
  }
  // For tests that make a peer misbehave, without calls that take a time. Lifetime: this object.
  [[nodiscard]] ngtcp2_conn* native() const { return conn(); }
  // For the layer above; this layer never looks at it.
  void set_user(void* user) { user_ = user; }
  [[nodiscard]] void* user() const { return user_; }

 private:
  friend struct ConnectionCallbacks;
  struct StreamOrder {
    enum class Kind : std::uint8_t { kReset, kStopSending };
    Kind kind;
    std::int64_t stream_id;
    std::uint64_t code;
  };
  using StreamQueue = boost::intrusive::list<Stream, boost::intrusive::constant_time_size<false>>;

  Connection(const ConnectionEnvironment& environment, std::uint64_t number, bool is_server,
             base::Instant now);
  base::Status init_server(const TlsServerContext& tls, const AcceptedInitial& initial);
  base::Status init_client(const TlsClientContext& tls, const ConnectTarget& target);
  base::Status adopt(TlsSession session);

  // connection.cpp
  void end(CloseCause cause) noexcept;
  void end_locally(const ngtcp2_ccerr& error, CloseCause::Source source, std::string_view reason) noexcept;
  void end_by_application(CloseCause::Source source, std::uint64_t application_code,
                          std::string_view reason) noexcept;
  // Cold functions run once in a connection or never; they are kept out of those that every packet runs
  // through.
  [[gnu::cold]] void fail(int library_error);
  void fail_tls();
  void fail_from_peer();
  [[gnu::cold]] void handle_read_error(int result);
  [[gnu::cold]] void abort_for_closed_early();
  // What the library is to read of a datagram, see early_packets.hpp; empty: nothing.
  [[nodiscard]] std::span<const std::uint8_t> admit(std::span<const std::uint8_t> datagram);
  // Of a packet just decrypted, before the library looks at it. False: the connection has ended.
  [[nodiscard]] bool note_frames(std::span<const std::uint8_t> payload, bool is_one_rtt);
  [[gnu::cold]] void release_tls_session();
  void offer_token();
  void schedule();
  ConnectionId make_route();
  [[nodiscard]] const ngtcp2_mem* library_memory() const { return arena_ ? &arena_->memory() : nullptr; }
  void drop_route(const ConnectionId& id);

  // connection_timers.cpp
  ngtcp2_tstamp advance(base::Instant now);
  void handle_library_expiry(ngtcp2_tstamp now);
  [[nodiscard]] base::Instant library_expiry() const;
  void pace(ngtcp2_tstamp now, bool has_sent_all);
  void pause();

  // connection_datagrams.cpp
  [[nodiscard]] bool has_room_for_datagram(std::size_t memory) const;
  // These two: the memory that it had.
  std::size_t drop_front_datagram();
  std::size_t pop_datagram();
  void release_datagrams(std::size_t memory);
  void note_datagram_acknowledged();
  void notify_datagram_writable();

  // connection_hibernation.cpp
  // The only way to the library's connection: what is asleep may not be touched.
  [[nodiscard]] ngtcp2_conn* conn() const {
    wake();
    return conn_.get();
  }
  void wake() const {
    if (is_asleep()) [[unlikely]] {
      wake_up();
    }
  }
  void wake_up() const;
  [[nodiscard]] bool may_sleep() const;
  void note_activity();
  void free_spare_memory();

  // connection_write.cpp
  [[nodiscard]] bool is_about_to_send(std::size_t packet_bytes);
  [[nodiscard]] bool owes_acknowledgement();
  void note_held_frames(bool may_send, bool has_sent_all, std::size_t written_bytes);
  void run_stream_orders();
  ngtcp2_ssize write_packet(std::span<std::uint8_t> room, ngtcp2_path* path, ngtcp2_pkt_info* info,
                            ngtcp2_tstamp now);
  std::optional<ngtcp2_ssize> write_datagrams(std::span<std::uint8_t> room, ngtcp2_path* path,
                                              ngtcp2_pkt_info* info, ngtcp2_tstamp now);
  std::optional<ngtcp2_ssize> write_streams(std::span<std::uint8_t> room, ngtcp2_path* path,
                                            ngtcp2_pkt_info* info, ngtcp2_tstamp now);
  void after_stream_write(Stream& stream, ngtcp2_ssize taken, std::size_t offered, bool offered_fin);
  void end_sending(Stream& stream);

  // connection_streams.cpp
  Stream& add_stream(std::int64_t id);
  Stream* next_to_send();
  StreamQueue& queue_of(const Stream& stream) { return send_queues_[stream.urgency]; }
  void enqueue(Stream& stream);
  void accept_fin(Stream& stream, bool is_fin, bool is_all_taken);
  void note_path_capacity();
  [[nodiscard]] std::uint64_t grown_stream_limit() const;  // 0: not grown
  [[nodiscard]] std::uint64_t own_room(const Stream& stream, std::size_t wanted_bytes) const;
  void wait_for_budget(const Stream& stream);
  // Tells the streams that wait for room and have some now.
  void tell_of_room();
  void note_buffered(Stream& stream, std::size_t bytes);
  void release_buffered(std::size_t bytes);
  void handle_stop_sending(const StopSending& frame);
  // For the STOP_SENDING frames of the datagram just read.
  [[gnu::noinline]] void handle_stops_seen();
  void handle_closed_below(Stream& stream);
  void close_unseen_stream(Stream& stream);
  void finish_stream(Stream& stream);
  void return_credit(Stream& stream, std::uint64_t bytes);
  [[nodiscard]] std::uint64_t take_connection_credit();
  void note_window_growth(std::uint64_t bytes);
  void end_receiving(Stream& stream);
  void count_opened(const Stream& stream);
  StreamCredit& credit_of(std::int64_t id) { return is_bidirectional(id) ? credit_bidi_ : credit_uni_; }
  void give_stream_credit();

  const ConnectionEnvironment& environment_;
  const std::uint64_t number_;
  const bool is_server_;
  std::uint64_t context_ = 0;
  void* user_ = nullptr;

  struct ConnDelete {
    void operator()(ngtcp2_conn* conn) const { ngtcp2_conn_del(conn); }
  };
  TlsConnRef conn_ref_{};
  std::string server_name_;
  TlsSession tls_;
  mutable std::optional<ConnectionArena> arena_;  // mutable: asleep or awake, the connection is the same
  // Order: deleted before the TLS session, whose callbacks point at it, and before its memory.
  std::unique_ptr<ngtcp2_conn, ConnDelete> conn_;

  base::Path path_;
  std::string alpn_;
  CryptoGuard crypto_guard_;
  EarlyPackets early_packets_;
  bool is_handshake_completed_ = false;
  bool is_handshake_confirmed_ = false;
  bool is_resumed_ = false;
  bool is_credit_frozen_ = false;
  bool has_been_used_ = false;  // by a stream or a datagram
  bool has_next_keys_ = false;
  base::Instant last_now_;
  base::Instant last_active_at_;
  SourceRef source_;  // of a client's connection none
  struct UnheededPacing {
    base::Instant due;
    base::Instant others;  // the library's other timers
    bool is_pause;         // `others` is not what the library said
  };
  std::optional<UnheededPacing> unheeded_pacing_;    // until the next call with a time, see pace()
  bool may_hold_frames_ = true;                      // the library, beside those of streams, see pause()
  std::uint64_t slow_start_threshold_ = UINT64_MAX;  // bytes, as pause() last saw it
  base::Instant next_packet_at_{};                   // by pacing; acknowledgements go before, too
  base::Instant sleeps_at_;                          // unless a packet comes or goes before
  base::Instant asleep_until_;                       // of the library's timers
  TransportState asleep_state_;
  base::Instant turn_{};
  unsigned turn_packets_ = 0;
  FrameBudget frame_budget_;
  std::vector<ConnectionId> routes_;
  std::vector<StopSending> stop_sending_seen_;
  std::vector<StreamOrder> stream_orders_;
  std::vector<std::int64_t> waiting_for_room_;
  std::vector<std::int64_t> told_of_room_;  // inside tell_of_room; kept for its memory
  absl::flat_hash_map<std::int64_t, PooledPtr<Stream>> streams_;
  // The stream found or added last, or null: most calls are for the same stream as the call before.
  Stream* recent_stream_ = nullptr;
  std::size_t streams_closed_early_ = 0;  // that the library has not closed, see close_unseen_stream()
  StreamCredit credit_bidi_;
  StreamCredit credit_uni_;
  base::Instant stream_credit_due_at_ = base::kNever;
  std::array<StreamQueue, Stream::kUrgencies> send_queues_;
  DatagramQueue datagrams_;
  bool is_dropping_datagrams_ = false;  // send_datagram() drops old ones, and the observer is told of each
  ReceiveWindow window_;
  std::uint64_t path_capacity_bytes_ = 0;  // the most that note_path_capacity() has found on this path
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::optional<CloseCause> cause_;
  std::optional<ngtcp2_ccerr> close_error_;  // what take_close_packet writes
  std::string close_reason_;                 // the bytes close_error_ points to
};

}  // namespace knul::quic
