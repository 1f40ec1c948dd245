// Writes the events of one connection as qlog 0.3 (draft-ietf-quic-qlog-main-schema and -quic-events) in JSON
// text sequences (RFC 7464): headers, frames and sizes of packets, timing and recovery state, but no payload
// and no secrets. There is no event for a lost packet, because the QUIC library does not report it.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/datagram.hpp"
#include "base/qlog.hpp"
#include "base/time.hpp"
#include "quic/qlog/packet_header.hpp"
#include "quic/qlog/qlog_json.hpp"

namespace knul::quic {

// The values of metrics_updated.
struct QlogMetrics {
  base::Duration min_rtt{};  // 0: no sample
  base::Duration smoothed_rtt{};
  base::Duration latest_rtt{};
  base::Duration rtt_variation{};
  std::uint64_t congestion_window_bytes = 0;
  std::uint64_t in_flight_bytes = 0;
  std::uint64_t slow_start_threshold_bytes = UINT64_MAX;  // UINT64_MAX: none

  friend bool operator==(const QlogMetrics&, const QlogMetrics&) = default;
};

struct QlogHandshake {
  std::string_view cipher = {};
  std::string_view alpn = {};
  bool is_resumed = false;
};

// The arguments of the library's decryption.
struct ReceivedPacket {
  std::span<const std::uint8_t> header;      // without header protection
  std::span<const std::uint8_t> ciphertext;  // in the datagram, or elsewhere for an earlier packet
};

// The data of connection_closed.
struct QlogClose {
  std::string_view owner = {};  // "local" or "remote"
  std::string_view trigger = {};
  std::string_view state = {};  // the connection's next one
  enum class Code : std::uint8_t { kNone, kTransport, kApplication } kind = Code::kNone;
  std::uint64_t code = 0;
  std::string_view reason = {};
};

struct QlogStart {
  std::span<const std::uint8_t> original_dcid = {};
  std::span<const std::uint8_t> scid = {};  // of this side
  std::span<const std::uint8_t> dcid = {};  // of the peer
  std::uint64_t unix_ms = 0;                // the time of the first event
};

// A server's connection. Thread: one. Lifetime: the calls' spans need to live for the call only.
class ConnectionQlog {
 public:
  ConnectionQlog(std::unique_ptr<base::QlogFile> file, base::Instant now)
      : file_(std::move(file)), started_at_(now) {}
  ConnectionQlog(const ConnectionQlog&) = delete;
  ConnectionQlog& operator=(const ConnectionQlog&) = delete;

  // False: the file is full, or could not be begun. Every further call has no effect.
  [[nodiscard]] bool is_open() const { return file_ != nullptr; }
  // Called first, once.
  void note_start(const QlogStart& start, const base::Path& path) noexcept;
  enum class Owner : std::uint8_t { kLocal, kRemote };
  void note_parameters(Owner owner, const ngtcp2_transport_params& params, base::Instant now) noexcept;
  [[nodiscard]] bool has_remote_parameters() const { return has_remote_parameters_; }
  void note_handshake_completed(const QlogHandshake& handshake, base::Instant now) noexcept;
  void note_path(const base::Path& path, base::Instant now) noexcept;

  // A datagram that the library reads next.
  void begin_datagram(std::span<const std::uint8_t> datagram) noexcept;
  // A packet of it, or an earlier packet whose keys have arrived.
  void note_received(const ReceivedPacket& packet, std::span<const std::uint8_t> payload,
                     base::Instant now) noexcept;
  void note_undecryptable(const ReceivedPacket& packet, base::Instant now) noexcept;
  // The rest of a datagram that arrived before its keys and is not kept.
  void note_dropped_early(std::size_t bytes, base::Instant now) noexcept;

  // A packet before its encryption. It becomes an event when its datagram is complete.
  void note_encrypted(std::span<const std::uint8_t> header, std::span<const std::uint8_t> payload) noexcept;
  // The datagram of the packets so far is complete, or was not made if `bytes` is 0. It does not hold the
  // first `removed_packets` of them.
  void end_datagram(std::size_t bytes, base::Instant now, std::size_t removed_packets = 0) noexcept;

  // Writes the values that have changed.
  void note_metrics(const QlogMetrics& metrics, base::Instant now) noexcept;
  void note_closed(const QlogClose& close, base::Instant now) noexcept;

 private:
  using Numbers = std::array<std::uint64_t, 3>;  // by NumberSpace
  struct SentPacket {
    PacketHeader header{};  // without its spans
    std::string data = {};  // the members of the event's data
  };
  struct KeyPhase {
    bool is_set = false;
    std::uint64_t generation = 0;
  };

  // A lack of memory costs an event, not the connection.
  template <class Note>
  void attempt(Note note) noexcept {
    if (file_ == nullptr) {
      return;
    }
    try {
      note();
    } catch (...) {
      ++dropped_;
    }
  }
  // Begins an event in record_. finish() writes it.
  QlogJson begin(std::string_view name, base::Instant now);
  void finish();
  // Writes record_. False: it was dropped, or the file has ended.
  bool write();
  void end_file();
  void make_notice(std::string_view message);
  void set_state(std::string_view state, base::Instant now);
  void write_sent(const SentPacket& packet, bool is_coalesced, base::Instant now);
  void note_key_phase(KeyPhase& own, const KeyPhase& other, std::string_view key_type,
                      const PacketHeader& header, base::Instant now);
  [[nodiscard]] bool is_in_datagram(std::span<const std::uint8_t> bytes) const;
  [[nodiscard]] static std::uint64_t take_number(Numbers& next, const PacketHeader& header);
  [[nodiscard]] static std::uint8_t exponent_of(const PacketHeader& header, std::uint8_t negotiated);

  std::unique_ptr<base::QlogFile> file_;  // null: it has ended
  const base::Instant started_at_;
  base::Instant now_{};  // of the last event
  std::string record_;
  std::uint64_t dropped_ = 0;  // events since the last notice
  std::string_view state_;
  bool has_remote_parameters_ = false;
  std::uint8_t ack_delay_exponent_ = 3;  // RFC 9000 §18.2
  std::uint8_t peer_ack_delay_exponent_ = 3;
  std::span<const std::uint8_t> datagram_;  // Lifetime: until the library has read it
  std::uint64_t datagrams_received_ = 0;
  std::uint64_t datagrams_sent_ = 0;
  Numbers next_received_{};
  Numbers next_sent_{};
  KeyPhase received_phase_;
  KeyPhase sent_phase_;
  std::vector<SentPacket> sent_packets_;  // of the datagram being made
  QlogMetrics metrics_;
};

}  // namespace knul::quic
