// The QUIC library's connection (ngtcp2_conn) with its memory, TLS session, clock, pacing timer and
// hibernation.
//
// Invariant: only conn() reaches the ngtcp2_conn, and wakes it first, because packed memory must not be
// touched.
// Invariant: each call that can queue a frame inside the library, other than stream data and
// acknowledgements, sets may_have_queued_frames_, which try_pause() relies on. Weak case: frames that the
// library queues while it reads a packet are not noted. An acknowledgement is due after such a packet, and it
// forbids a pause too.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/datagram.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "quic/connection/connection_environment.hpp"
#include "quic/connection/transport_settings.hpp"
#include "quic/crypto/tls_context.hpp"
#include "quic/memory/connection_arena.hpp"
#include "quic/stream/stream_types.hpp"

namespace knul::quic {

// The state of loss recovery and congestion control. Before the first sample min_rtt is 0 and smoothed_rtt is
// the assumption of RFC 9002 §6.2.2.
struct TransportState {
  base::Duration smoothed_rtt{};
  base::Duration min_rtt{};
  base::Duration latest_rtt{};
  base::Duration rtt_variation{};
  std::uint64_t congestion_window_bytes = 0;
  std::uint64_t in_flight_bytes = 0;
  std::uint64_t slow_start_threshold_bytes = UINT64_MAX;  // UINT64_MAX: none yet
};

// The memory for one packet. The library sets `path` and `info`.
struct PacketRoom {
  std::span<std::uint8_t> bytes;
  ngtcp2_path* path;
  ngtcp2_pkt_info* info;
};

// The packets that a connection has written in one go.
struct WrittenRound {
  bool might_send = false;    // LibraryConnection::may_send() at its start
  bool has_sent_all = false;  // the library had no further packet
  bool wants_more = false;    // the batch is full, or the library's quantum is used up
  std::size_t bytes = 0;
};

// Thread: one. Functions that return an int return 0 or an error of the library.
class LibraryConnection {
 public:
  // Lifetime: `environment` outlives this object.
  LibraryConnection(const ConnectionEnvironment& environment, bool is_server, base::Instant now);
  ~LibraryConnection();
  LibraryConnection(const LibraryConnection&) = delete;
  LibraryConnection& operator=(const LibraryConnection&) = delete;

  // Makes the ngtcp2_conn, whose callbacks get `user_data`. Called once, before anything else.
  base::Status create_server(const AcceptedInitial& initial, const ConnectionId& id, TransportSettings& made,
                             void* user_data);
  base::Status create_client(const base::Path& path, const ConnectionId& id, TransportSettings& made,
                             void* user_data);
  // Called next. `session` was made with tls_reference().
  base::Status adopt(base::Result<TlsSession> session);
  [[nodiscard]] TlsConnRef& tls_reference() { return tls_reference_; }
  [[nodiscard]] TlsSession& tls() { return tls_; }
  void release_tls_session();
  // Changes the keys of both directions. False: the previous update is unconfirmed or too recent (RFC 9001
  // §6.1, §6.5).
  bool begin_key_update() { return ngtcp2_conn_initiate_key_update(conn(), timestamp()) == 0; }
  // Wakes the connection. Lifetime: this object.
  [[nodiscard]] ngtcp2_conn* native() const { return conn(); }

  // --- Clock.
  // The latest time given to a call. Never goes backwards.
  [[nodiscard]] base::Instant now() const { return now_; }
  [[nodiscard]] int advance(base::Instant now);
  [[nodiscard]] int handle_expiry() { return ngtcp2_conn_handle_expiry(conn(), timestamp()); }
  // Does not wake a hibernating connection.
  [[nodiscard]] base::Instant next_expiry() const;

  // --- Packets in.
  [[nodiscard]] int read(const base::ReceivedDatagram& datagram, std::span<const std::uint8_t> payload);

  // --- Packets out. A result is the number of bytes written, 0 when nothing can or need be sent now, an
  // error of the library, or NGTCP2_ERR_WRITE_MORE: the packet has room for more.
  [[nodiscard]] std::size_t send_quantum() const { return ngtcp2_conn_get_send_quantum(conn()); }
  // False while pacing forbids packets. Acknowledgements may leave earlier.
  [[nodiscard]] bool may_send() const { return now_ >= next_packet_at_; }
  [[nodiscard]] std::uint64_t max_data_left() const { return ngtcp2_conn_get_max_data_left(conn()); }
  [[nodiscard]] std::uint64_t congestion_window_left() const { return ngtcp2_conn_get_cwnd_left(conn()); }
  // `taken`: the bytes of `data` in the packet; negative: the packet has no frame of the stream.
  ngtcp2_ssize write_stream(const PacketRoom& room, std::int64_t id, std::span<const ngtcp2_vec> data,
                            Fin fin, ngtcp2_ssize& taken) {
    const std::uint32_t flags =
        NGTCP2_WRITE_STREAM_FLAG_MORE |
        (fin == Fin::kYes ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE);
    taken = -1;
    return ngtcp2_conn_writev_stream(conn(), room.path, room.info, room.bytes.data(), room.bytes.size(),
                                     &taken, flags, id, data.data(), data.size(), timestamp());
  }
  ngtcp2_ssize write_datagram(const PacketRoom& room, std::uint64_t tag, std::span<std::uint8_t> bytes,
                              bool& is_accepted);
  // Writes acknowledgements and other control frames, or completes a packet after NGTCP2_ERR_WRITE_MORE.
  ngtcp2_ssize write_rest(const PacketRoom& room) {
    return ngtcp2_conn_writev_stream(conn(), room.path, room.info, room.bytes.data(), room.bytes.size(),
                                     nullptr, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0, timestamp());
  }
  ngtcp2_ssize write_close(const PacketRoom& room, const ngtcp2_ccerr& error);
  // Called after a round of packets.
  void note_written(WrittenRound round);
  void pace(bool has_sent_all);
  // Replaces pace() after a round without packets, if no stream is open and no DATAGRAM waits.
  void try_pause();

  // --- Streams.
  // The library's callbacks get `user_data` for the stream.
  void set_stream_user_data(std::int64_t id, void* user_data) {
    ngtcp2_conn_set_stream_user_data(conn(), id, user_data);
  }
  // The number of lost packets with data of the stream.
  [[nodiscard]] std::uint64_t stream_loss_count(std::int64_t id) const {
    return ngtcp2_conn_get_stream_loss_count(conn(), id);
  }

  // The number of packets declared lost (RFC 9002 §6.1). Nullopt: ngtcp2 below 1.16, which counts only those
  // of a stream, or the connection hibernates.
  [[nodiscard]] std::optional<std::uint64_t> loss_count() const;

  // --- Calls that can queue a frame.
  int open_stream(StreamDirection direction, std::int64_t& id);
  int reset_stream(std::int64_t id, std::uint64_t code);
  int stop_sending(std::int64_t id, std::uint64_t code);
  void submit_new_token(std::span<const std::uint8_t> token);
  void extend_max_streams(StreamDirection direction, std::uint64_t count);
  void extend_max_data(std::uint64_t bytes);
  void extend_max_stream_data(std::int64_t id, std::uint64_t bytes);

  // --- Hibernation. The library's memory stays packed until conn() is used again.
  [[nodiscard]] bool is_hibernating() const { return arena_.has_value() && arena_->is_hibernating(); }
  // True for a connection with an arena.
  [[nodiscard]] bool has_arena() const { return arena_.has_value(); }
  // The memory that try_hibernate() would pack. Requires has_arena().
  [[nodiscard]] std::size_t arena_bytes() const { return arena_->used_bytes(); }
  // The library's memory: its pages, or the packed copy; 0 without an arena.
  [[nodiscard]] std::size_t resident_bytes() const { return arena_ ? arena_->resident_bytes() : 0; }
  // The memory of a client's certificate.
  [[nodiscard]] std::size_t certificate_bytes() const {
    return tls_reference_.client_certificate.held_bytes();
  }
  // True when no timer is due and none is hidden by a pause.
  [[nodiscard]] bool is_at_rest(base::Instant now) const {
    const bool is_paused = deferred_pacing_.has_value() && deferred_pacing_->is_pause;
    return now < next_expiry() && !is_paused;
  }
  // False: a packet is in flight, or memory for the packed copy is short.
  bool try_hibernate();

  // --- State.
  [[nodiscard]] TransportState transport_state() const;
  [[nodiscard]] base::Duration probe_timeout() const {
    return base::Duration(static_cast<std::int64_t>(ngtcp2_conn_get_pto(conn())));
  }
  // True for the token of a Stateless Reset that the peer may send (RFC 9000 §10.3.1).
  [[nodiscard]] bool is_reset_token(std::span<const std::uint8_t> token) const;
  // Null until the peer's parameters arrive.
  [[nodiscard]] const ngtcp2_transport_params* peer_parameters() const {
    return ngtcp2_conn_get_remote_transport_params(conn());
  }
  [[nodiscard]] std::size_t max_udp_payload_bytes() const {
    return ngtcp2_conn_get_path_max_tx_udp_payload_size(conn());
  }

  // While this object lives, an ACK is due at once, so that the next packet carries it (RFC 9000 §13.2.1). By
  // itself ngtcp2 adds an ACK frame only when it would also send the ACK alone, an eighth of the round trip
  // after the packet. An answer would leave without it, and a timer and a packet for the ACK would follow.
  // The library reads the changed parameter, the promised delay, only to time its acknowledgements; they may
  // leave earlier than promised.
  class ImmediateAcknowledgement {
   public:
    explicit ImmediateAcknowledgement(const LibraryConnection& library)
        // The library uses this object itself, not a copy, and its memory is not const.
        : delay_(const_cast<ngtcp2_transport_params*>(ngtcp2_conn_get_local_transport_params(library.conn()))
                     ->max_ack_delay),
          promised_(std::exchange(delay_, 0)) {}
    ~ImmediateAcknowledgement() { delay_ = promised_; }
    ImmediateAcknowledgement(const ImmediateAcknowledgement&) = delete;
    ImmediateAcknowledgement& operator=(const ImmediateAcknowledgement&) = delete;

   private:
    ngtcp2_duration& delay_;
    ngtcp2_duration promised_;
  };

 private:
  struct ConnDelete {
    void operator()(ngtcp2_conn* conn) const { ngtcp2_conn_del(conn); }
  };
  // The library's pacing timer while nothing waits for it; see pace() and try_pause().
  struct DeferredPacing {
    base::Instant due;
    base::Instant others;  // the library's other timers
    bool is_pause;         // `others` is an estimate, not the library's value
  };

  [[nodiscard]] ngtcp2_conn* conn() const {
    wake();
    return conn_.get();
  }
  void wake() const {
    if (is_hibernating()) [[unlikely]] {
      wake_up();
    }
  }
  void wake_up() const;
  [[nodiscard]] const ngtcp2_mem* memory() const { return arena_ ? &arena_->memory() : nullptr; }
  [[nodiscard]] ngtcp2_tstamp timestamp() const { return to_timestamp(now_); }
  // Requires that it is awake.
  [[nodiscard]] base::Instant expiry() const;
  [[nodiscard]] bool owes_acknowledgement() const;

  const ConnectionEnvironment& environment_;
  TlsConnRef tls_reference_{};
  TlsSession tls_;
  mutable std::optional<ConnectionArena> arena_;  // mutable: hibernation keeps the connection's state
  // Order: destroyed before the TLS session, whose callbacks point to it, and before its memory.
  std::unique_ptr<ngtcp2_conn, ConnDelete> conn_;

  base::Instant now_;
  base::Instant next_packet_at_{};                   // by pacing
  std::optional<DeferredPacing> deferred_pacing_;    // until advance() runs it
  bool may_have_queued_frames_ = true;               // other than stream frames
  std::uint64_t slow_start_threshold_ = UINT64_MAX;  // bytes, at the last try_pause()
  base::Instant hibernates_until_;                   // the library's next timer
  TransportState hibernating_state_;
};

}  // namespace knul::quic
