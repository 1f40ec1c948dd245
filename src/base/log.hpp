// The log that layers receive in their constructors. server/log_sink.cpp decides where messages go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace knul::base {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// The part of the engine that a message is about; KNUL_LOG sets a level for each (docs/operating.md).
enum class LogSubsystem : std::uint8_t { kServer, kTls, kUdp, kQuic, kChannel };
inline constexpr std::array<std::string_view, 5> kLogSubsystems = {"server", "tls", "udp", "quic", "channel"};

// The subject of a message. Each kind has its own rate limit, so that messages that a peer can cause at any
// rate neither fill the log nor hide other messages.
enum class LogKind : std::uint8_t {
  kLog,                   // the log itself
  kServerStarted,         // a server listens
  kServerStopped,         // a drain has ended
  kApplicationException,  // a callback of the program threw
  kOutOfMemory,           // work was dropped for lack of memory
  kHandoverQueueFull,     // a worker dropped datagrams of another worker
  kCertificate,           // a certificate of the server expires soon or has expired
  kReload,                // the server's certificates were reloaded, or could not be
  kKeyLog,                // the secrets of connections are written to a file
  kQlog,                  // the events of connections are written to files
  kAlpnRefused,           // a client offers no protocol of the server
  kClientCertificate,     // a client was refused because of its certificate
  kHandshakeFailed,       // a handshake ended with a TLS alert or a QUIC error
  kSocketBuffers,         // the kernel granted smaller buffers than requested
  kSteering,              // all workers share one socket
  kGso,                   // the kernel refuses segmentation offload
  kEcn,                   // the kernel refuses ECN marks
  kConnect,               // a client could not start a connection
  kNotAccepted,           // the first packet of a client created no connection
  kRefusedDraining,       // refused during a drain
  kConnectionLimit,       // max_connections
  kAddressLimit,          // max_connections_per_address
  kHalfOpenShare,         // the share of an address in max_half_open
  kHandshakeEvicted,      // max_half_open
  kHandshakeTimeout,      // handshake_timeout_ms
  kTokenRefused,          // an invalid Retry token
  kNoProgress,            // a stalled connection was closed while a shared limit was reached
  kTransportError,        // this side ended a connection with a transport error
  kCryptoLimit,           // CRYPTO data that no honest client sends
  kPacketBudget,          // packets above the budget of a turn
  kFrameBudget,           // packets of a flood of small frames
  kEarlyPackets,          // packets ahead of their keys
  kSourcePort,            // packets from a port that is known for reflection
  kPacketDropped,         // packets that belong to no connection
  kAnswerSuppressed,      // a stateless answer above its rate
  kClosingEvicted,        // a closing connection was forgotten early
  kConnectionOpened,      // a handshake has completed
  kConnectionClosed,      // a connection ended as peers and programs intend
  kStreamRefused,         // a stream of a client was refused
  kDatagramDropped,       // a DATAGRAM was dropped
  kChannelClosed,         // a connection ended because of its channel
};

struct LogKindFacts {
  LogKind kind;
  LogSubsystem subsystem;
  std::string_view name;  // in JSON lines
};
inline constexpr auto kLogKindFacts = std::to_array<LogKindFacts>({
    {LogKind::kLog, LogSubsystem::kServer, "log"},
    {LogKind::kServerStarted, LogSubsystem::kServer, "server_started"},
    {LogKind::kServerStopped, LogSubsystem::kServer, "server_stopped"},
    {LogKind::kApplicationException, LogSubsystem::kServer, "application_exception"},
    {LogKind::kOutOfMemory, LogSubsystem::kServer, "out_of_memory"},
    {LogKind::kHandoverQueueFull, LogSubsystem::kServer, "handover_queue_full"},
    {LogKind::kCertificate, LogSubsystem::kTls, "certificate"},
    {LogKind::kReload, LogSubsystem::kTls, "reload"},
    {LogKind::kKeyLog, LogSubsystem::kTls, "key_log"},
    {LogKind::kQlog, LogSubsystem::kServer, "qlog"},
    {LogKind::kAlpnRefused, LogSubsystem::kTls, "alpn_refused"},
    {LogKind::kClientCertificate, LogSubsystem::kTls, "client_certificate"},
    {LogKind::kHandshakeFailed, LogSubsystem::kTls, "handshake_failed"},
    {LogKind::kSocketBuffers, LogSubsystem::kUdp, "socket_buffers"},
    {LogKind::kSteering, LogSubsystem::kUdp, "steering"},
    {LogKind::kGso, LogSubsystem::kUdp, "gso"},
    {LogKind::kEcn, LogSubsystem::kUdp, "ecn"},
    {LogKind::kConnect, LogSubsystem::kQuic, "connect"},
    {LogKind::kNotAccepted, LogSubsystem::kQuic, "not_accepted"},
    {LogKind::kRefusedDraining, LogSubsystem::kQuic, "refused_draining"},
    {LogKind::kConnectionLimit, LogSubsystem::kQuic, "connection_limit"},
    {LogKind::kAddressLimit, LogSubsystem::kQuic, "address_limit"},
    {LogKind::kHalfOpenShare, LogSubsystem::kQuic, "half_open_share"},
    {LogKind::kHandshakeEvicted, LogSubsystem::kQuic, "handshake_evicted"},
    {LogKind::kHandshakeTimeout, LogSubsystem::kQuic, "handshake_timeout"},
    {LogKind::kTokenRefused, LogSubsystem::kQuic, "token_refused"},
    {LogKind::kNoProgress, LogSubsystem::kQuic, "no_progress"},
    {LogKind::kTransportError, LogSubsystem::kQuic, "transport_error"},
    {LogKind::kCryptoLimit, LogSubsystem::kQuic, "crypto_limit"},
    {LogKind::kPacketBudget, LogSubsystem::kQuic, "packet_budget"},
    {LogKind::kFrameBudget, LogSubsystem::kQuic, "frame_budget"},
    {LogKind::kEarlyPackets, LogSubsystem::kQuic, "early_packets"},
    {LogKind::kSourcePort, LogSubsystem::kQuic, "source_port"},
    {LogKind::kPacketDropped, LogSubsystem::kQuic, "packet_dropped"},
    {LogKind::kAnswerSuppressed, LogSubsystem::kQuic, "answer_suppressed"},
    {LogKind::kClosingEvicted, LogSubsystem::kQuic, "closing_evicted"},
    {LogKind::kConnectionOpened, LogSubsystem::kQuic, "connection_opened"},
    {LogKind::kConnectionClosed, LogSubsystem::kQuic, "connection_closed"},
    {LogKind::kStreamRefused, LogSubsystem::kQuic, "stream_refused"},
    {LogKind::kDatagramDropped, LogSubsystem::kQuic, "datagram_dropped"},
    {LogKind::kChannelClosed, LogSubsystem::kChannel, "channel_closed"},
});
inline constexpr std::size_t kLogKinds = kLogKindFacts.size();

[[nodiscard]] constexpr const LogKindFacts& facts_of(LogKind kind) {
  return kLogKindFacts[static_cast<std::size_t>(kind)];
}
static_assert(
    [] {
      for (std::size_t i = 0; i < kLogKinds; ++i) {
        if (kLogKindFacts[i].kind != static_cast<LogKind>(i)) {
          return false;
        }
      }
      return true;
    }(),
    "kLogKindFacts has the order of LogKind");

class LogSink {
 public:
  virtual ~LogSink() = default;

  // Writes the text that `make_text` returns. Calls it only if the level is enabled and the kind has not used
  // up its rate. Thread: any. Never throws and never waits for a descriptor. When memory is short, the
  // message is lost.
  template <class MakeText>
  void write(LogLevel level, LogKind kind, MakeText&& make_text) noexcept {
    if (!admit(level, kind)) {
      return;
    }
    try {
      put(level, kind, std::forward<MakeText>(make_text)());
    } catch (...) {
    }
  }

 protected:
  // True: write the message; it has used a part of the rate of its kind. A message above the rate is counted.
  virtual bool admit(LogLevel level, LogKind kind) noexcept = 0;
  // May throw std::bad_alloc.
  virtual void put(LogLevel level, LogKind kind, std::string_view text) = 0;
};

// Drops all messages, for tests and for layers without a log.
class NullLogSink final : public LogSink {
 protected:
  bool admit(LogLevel, LogKind) noexcept override { return false; }
  void put(LogLevel, LogKind, std::string_view) override {}
};

}  // namespace knul::base
