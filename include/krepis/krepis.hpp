// Krepis KNUL for C++ programs: a QUIC server (RFC 9000) and client inside one process, linked statically
// (`find_package(knul)`, target `knul::cpp`). Programs in other languages use krepis.h.
//
// Five conventions hold for everything below.
//  1. Errors are values: a function that can fail returns Result<T>. Functions throw std::bad_alloc only.
//     The library catches and counts every exception that an Application throws, and ends the stream or
//     connection of that callback.
//  2. A server runs `workers` threads. A connection lives on one worker all its life. Application, Connection
//     and Stream functions run on that thread only. Any other thread may call QuicServer, ServerRegistry
//     and QuicClient functions.
//  3. Spans given to a callback are valid until the callback returns. A function copies the spans that it
//     gets before it returns, unless it says otherwise.
//  4. A Connection reference is valid from on_connection until on_connection_closed returns, a Stream
//     reference until on_stream_closed returns, or until on_connection_closed returns if the connection ends
//     first. Each has a word for the program, user(), so a program needs no table from IDs to its own state.
//  5. Sizes are bytes, times are std::chrono durations, stream IDs are those of RFC 9000 §2.1.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <krepis/connection_info.hpp>
#include <krepis/expected.hpp>
#include <krepis/log.hpp>
#include <krepis/qlog.hpp>

namespace krepis {

// The codes of the C ABI; all other numbers are reserved.
enum class ErrorCode : std::uint32_t {
  kSuccess = 0,
  kInternal = 1000,
  kInvalidContext = 1001,
  kAbiMismatch = 1002,
  kMemoryAlignment = 1003,
  kInvalidPointer = 1004,
  kTimeout = 2000,
  kQuotaExceeded = 3000,
  kOutOfMemory = 3001,
  kConcurrencyLimitExceeded = 3003,
  kHandshakeFailed = 4000,
  kInvalidRequest = 4001,
  kVersionMismatch = 4002,
  kNetworkError = 5000,
  kConnectionFailed = 5001,
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // the field, its value, and the expected value
};

template <class T>
using Result = Expected<T, Error>;

using StreamId = std::uint64_t;

enum class StreamDirection : std::uint8_t { kBidirectional, kUnidirectional };

// kYes: this write or event ends its direction of the stream.
enum class Fin : bool { kNo = false, kYes = true };

// Application error codes (RFC 9000 §20.2) that the library itself uses on streams and connections.
// A program that defines its own protocol chooses codes outside this range.
enum class LibraryCode : std::uint64_t {
  kNone = 0,                       // connection: closed because it had no work left
  kNoConsumer = 0x4b4e5501,        // stream: the server runs without an Application
  kDraining = 0x4b4e5502,          // stream: opened after the drain began
  kDeadline = 0x4b4e5503,          // connection: the drain's deadline passed before its work was done
  kApplicationError = 0x4b4e5504,  // stream or connection: an Application callback threw
  kConsumerGone = 0x4b4e5505,      // connection: its channel (krepis/channel.h) was closed
  kOverloaded = 0x4b4e5506,        // connection: its channel had no room for more events or bytes
  kNoProgress = 0x4b4e5507,        // connection: stalled while a shared limit was reached
};

// Bytes that the library sends without a copy. They must not change until the library releases `owner`:
// when the peer has acknowledged them or the stream has ended.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  std::span<const std::uint8_t> bytes;
};

// The order in which the streams of one connection send (as in RFC 9218 §4): lower urgency first; streams of
// equal urgency take turns if incremental, otherwise one completes before the next.
struct StreamPriority {
  std::uint8_t urgency = 3;  // 0..7, larger counts as 7
  bool is_incremental = true;
};

// What send_datagram does when the connection's queue of unsent datagrams is full, or its share of
// server_send_buffer_bytes is used up.
enum class DatagramPolicy : std::uint8_t {
  kBlock,  // does not accept the datagram; on_datagram_writable follows
  // Drops the oldest datagram of the queue. Within on_datagram_fate for a datagram dropped this way it means
  // kDropNewest.
  kDropOldest,
  kDropNewest,  // drops the new datagram
};

struct DatagramOptions {
  DatagramPolicy policy = DatagramPolicy::kDropNewest;
  std::chrono::nanoseconds expires_after{};  // dropped unless sent within this time; 0: never
  bool reports_fate = false;                 // on_datagram_fate follows if the datagram was queued
  std::uint32_t context = 0;                 // argument of on_datagram_fate
};

enum class DatagramOutcome : std::uint8_t {
  kQueued,
  kBlocked,  // the queue is full; on_datagram_writable follows
  kDropped,  // the policy dropped the new datagram: counted, no on_datagram_fate
  kRefused,  // empty, longer than max_datagram_bytes(), or the connection is closing; counted as dropped
};

enum class DatagramFate : std::uint8_t {
  kAcknowledged,
  kLost,     // declared lost (RFC 9002 §6.1); it may still have arrived
  kDropped,  // dropped before it was sent: by the policy, its expiry or a smaller path MTU
};

class Connection;

// A stream of a Connection. `consume` and `release` may end the stream; then they call on_stream_closed
// before they return. After Connection::close, and when the connection has ended otherwise, the functions
// that send or give credit have no effect, and write returns 0.
// Thread: the connection's worker. Blocking: never.
// Lifetime: until on_stream_closed returns, or until on_connection_closed returns if the connection ends
// first. A refused stream: until `refuse` returns.
class Stream {
 public:
  [[nodiscard]] virtual StreamId id() const = 0;
  [[nodiscard]] StreamDirection direction() const {
    return (id() & 2) == 0 ? StreamDirection::kBidirectional : StreamDirection::kUnidirectional;
  }
  [[nodiscard]] bool is_opened_by_server() const { return (id() & 1) != 0; }
  [[nodiscard]] Connection& connection() const { return connection_; }

  // A pointer for the program; initially null. The library neither uses nor frees it. A program frees its
  // state in on_stream_closed, and in on_connection_closed for the streams that end with their connection
  // (Connection::for_each_stream).
  void set_user(void* user) { user_ = user; }
  [[nodiscard]] void* user() const { return user_; }

  // Sends bytes and returns how many it accepted. It accepts fewer than given, and on_stream_writable
  // follows, when the send buffer of the stream, the connection or the server is full, or when others wait
  // for the server's. It returns 0 when the stream cannot send. A FIN is accepted together with the last
  // byte only; an empty span sends a FIN alone. The first form copies, the second keeps a reference.
  // When it throws std::bad_alloc it may have accepted some of the bytes.
  virtual std::size_t write(std::span<const std::uint8_t> bytes, Fin fin) = 0;
  virtual std::size_t write(SharedBytes bytes, Fin fin) = 0;
  // Bytes that a write would accept now. Does not cause an on_stream_writable.
  [[nodiscard]] virtual std::size_t writable_bytes() const = 0;

  // Returns flow-control credit to the peer for `bytes` bytes from on_stream_data (RFC 9000 §4.1). Bytes that
  // are never consumed slow the peer down.
  virtual void consume(std::size_t bytes) = 0;

  // Ends the sending side with RESET_STREAM / the receiving side with STOP_SENDING (RFC 9000 §19.4, §19.5).
  virtual void reset(std::uint64_t code) = 0;
  virtual void stop_sending(std::uint64_t code) = 0;
  // Within on_stream_opened of this stream: ends both sides and counts the stream as refused. No callback for
  // the stream follows, and the reference is invalid when this returns.
  virtual void refuse(std::uint64_t code) = 0;
  virtual void set_priority(StreamPriority priority) = 0;

  // Until `release`, on_stream_closed and credit for another stream of the peer (RFC 9000 §4.6) are withheld.
  // An Application that forwards events can thus bound how many wait. No effect within on_stream_closed.
  virtual void retain() = 0;
  virtual void release() = 0;

 protected:
  explicit Stream(Connection& connection) noexcept : connection_(connection) {}
  ~Stream() = default;

 private:
  Connection& connection_;
  void* user_ = nullptr;
};

// A connection of an Application.
// Thread: the connection's worker. Blocking: never.
// Lifetime: until on_connection_closed returns.
class Connection {
 public:
  // Unique in its server, never reused.
  [[nodiscard]] virtual std::uint64_t id() const = 0;
  // The negotiated protocol (RFC 7301), and the name that the client requested (RFC 6066 §3; may be empty).
  [[nodiscard]] virtual std::string_view alpn() const = 0;
  [[nodiscard]] virtual std::string_view server_name() const = 0;
  // "address:port" of the validated path.
  [[nodiscard]] virtual std::string peer_address() const = 0;
  [[nodiscard]] virtual ConnectionInfo info() const = 0;
  // The value given to QuicClient::connect; 0 on a server.
  [[nodiscard]] virtual std::uint64_t context() const = 0;
  // True if the handshake resumed a session (RFC 8446 §2.2) and so sent and checked no certificate.
  [[nodiscard]] virtual bool is_resumed() const = 0;

  // The peer's certificate (of a client: see client_auth). Nullopt without one and during the handshake.
  [[nodiscard]] virtual std::optional<PeerCertificate> peer_certificate() const = 0;

  // A pointer for the program; initially null. The library neither uses nor frees it. A program frees its
  // state in on_connection_closed.
  void set_user(void* user) { user_ = user; }
  [[nodiscard]] void* user() const { return user_; }

  // Opens a stream; never null. Errors: kConcurrencyLimitExceeded while the peer's stream limit is reached
  // (RFC 9000 §4.6; on_streams_available follows), kInvalidContext when the connection is closing.
  virtual Result<Stream*> open_stream(StreamDirection direction) = 0;
  // For protocols that name streams by ID. Null if the stream has ended, was refused, or was never opened.
  [[nodiscard]] virtual Stream* find_stream(StreamId id) = 0;
  // Calls `visit` for each open stream, in no particular order; within on_connection_closed for each stream
  // that ends with the connection. `visit` may end the visited stream. It must not open or end other streams.
  virtual void for_each_stream(const std::function<void(Stream& stream)>& visit) = 0;

  // Within on_datagram: counts the datagram as dropped.
  virtual void drop_datagram() = 0;
  // Queues a DATAGRAM (RFC 9221). Returns false and counts it as dropped when it is empty or longer than
  // max_datagram_bytes(), when the peer does not accept datagrams, or when the queue is full.
  virtual bool send_datagram(std::span<const std::uint8_t> bytes) = 0;
  virtual DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes,
                                        const DatagramOptions& options) = 0;
  // 0 when the peer does not accept datagrams.
  [[nodiscard]] virtual std::size_t max_datagram_bytes() const = 0;

  // Closes the connection with an application code and the first 256 bytes of `reason`; discards buffered
  // data. on_connection_closed follows after the current callback has returned.
  virtual void close(std::uint64_t code, std::string_view reason) = 0;

 protected:
  ~Connection() = default;

 private:
  void* user_ = nullptr;
};

// The worker thread that an Application runs on.
class Worker {
 public:
  [[nodiscard]] virtual unsigned index() const = 0;
  // Runs `task` on the worker's thread soon. Thread: any. Returns false and drops the task when the worker
  // is stopping or its queue is full.
  virtual bool post(std::function<void()> task) = 0;
  // Runs `task` on the worker's thread after `delay`, unless the worker stops before.
  // Thread: the worker's.
  virtual void call_after(std::chrono::nanoseconds delay, std::function<void()> task) = 0;
  // The worker's clock: monotonic, read once or twice per turn of the loop.
  [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;

 protected:
  ~Worker() = default;
};

// The program's callbacks for connections, streams, data and datagrams; it writes through the Stream.
// Each worker has an object of its own, so it needs no locks. Default functions do nothing: received data
// stays unconsumed, datagrams are dropped.
class Application {
 public:
  virtual ~Application() = default;

  // Called before the first connection. Lifetime: `worker` outlives this object.
  virtual void on_start(Worker& /*worker*/) {}
  // The handshake is complete.
  virtual void on_connection(Connection& /*connection*/) {}
  // The last callback for this connection and its open streams, which have no on_stream_closed. A client gets
  // it also, without on_connection, for a connection that did not complete its handshake.
  virtual void on_connection_closed(Connection& /*connection*/, const CloseReason& /*reason*/) {}

  // The peer opened a stream. Data follows in on_stream_data.
  virtual void on_stream_opened(Stream& /*stream*/) {}
  // The next bytes in order. `bytes` may be empty when `fin` is set.
  virtual void on_stream_data(Stream& /*stream*/, std::span<const std::uint8_t> /*bytes*/, Fin /*fin*/) {}
  // There is room again after a write that accepted fewer bytes than given.
  virtual void on_stream_writable(Stream& /*stream*/) {}
  // The peer sent RESET_STREAM / STOP_SENDING. The library answers STOP_SENDING with RESET_STREAM and the
  // same code (RFC 9000 §3.5) before it calls this.
  virtual void on_stream_reset(Stream& /*stream*/, std::uint64_t /*code*/) {}
  virtual void on_stop_sending(Stream& /*stream*/, std::uint64_t /*code*/) {}
  // Both directions have ended and all sent bytes are acknowledged. The last callback for this stream.
  virtual void on_stream_closed(Stream& /*stream*/) {}
  // The peer raised its limit for streams of this direction (RFC 9000 §4.6) after the handshake.
  virtual void on_streams_available(Connection& /*connection*/, StreamDirection /*direction*/) {}
  virtual void on_datagram(Connection& connection, std::span<const std::uint8_t> /*bytes*/) {
    connection.drop_datagram();
  }
  // Half of the datagrams that were queued when send_datagram returned kBlocked have left the queue.
  virtual void on_datagram_writable(Connection& /*connection*/) {}
  virtual void on_datagram_fate(Connection& /*connection*/, std::uint32_t /*context*/,
                                DatagramFate /*fate*/) {}

  // All callbacks for the input of one turn of the worker's loop have run, usually for 16 connections at
  // most. Called if there were any, before written data is sent, and again if sending caused more.
  virtual void on_input_done() {}
  // The server drains: it refuses new streams; open streams may finish within `deadline` from now. Called
  // once per worker.
  virtual void on_drain(std::chrono::milliseconds /*deadline*/) {}
};

// Called once per worker, on the thread that calls start.
using ApplicationFactory = std::function<std::unique_ptr<Application>(unsigned worker)>;

// Settings that servers and clients share. An out-of-range value is kInvalidRequest.
struct ConnectionOptions {
  std::vector<std::string> alpn = {"knul"};  // 1..16 names of 1..255 bytes, in order of preference

  std::uint64_t max_streams = 100;              // concurrent bidirectional streams of the peer, 1..2^32-1
  std::uint64_t max_streams_uni = 100;          // concurrent unidirectional streams of the peer, 0..2^32-1
  std::uint64_t idle_timeout_ms = 30'000;       // 1,000..86,400,000 (longer is clamped), RFC 9000 §10.1
  std::uint64_t handshake_timeout_ms = 10'000;  // 100..600,000
  std::uint64_t hibernate_after_ms = 2'000;     // idle time (100 if never used); 0: never; <= 86,400,000

  std::uint64_t initial_max_data_bytes = 1 << 20;           // initial connection window, RFC 9000 §4.1
  std::uint64_t initial_max_stream_data_bytes = 256 << 10;  // initial stream window
  std::uint64_t max_window_bytes = 24 << 20;                // largest connection window after growth
  std::uint64_t max_stream_window_bytes = 16 << 20;         // largest stream window after growth
  std::uint64_t stream_send_buffer_bytes = 1 << 20;         // unsent and unacknowledged bytes per stream
  std::uint64_t max_stream_send_buffer_bytes = 16 << 20;    // largest buffer after growth with the path
  std::uint64_t connection_send_buffer_bytes = 16 << 20;    // for all streams of a connection
  std::uint64_t datagram_queue = 256;  // unsent datagrams per connection; 0: no datagrams

  std::string congestion_control = "cubic";  // "cubic", "bbr", "reno"
  // "auto": intel-ipsec-mb if the build and the processor have it, else GnuTLS; "ipsec_mb": fail without it;
  // "gnutls".
  std::string packet_protection = "auto";
  std::uint64_t max_udp_payload_bytes = 1'452;       // 1,200..65,527, limit of path MTU discovery
  std::uint64_t socket_send_buffer_bytes = 4 << 20;  // requested; the statistics show the actual size
  std::uint64_t socket_receive_buffer_bytes = 4 << 20;
  bool gso = true;  // send trains of packets in one call where the kernel can
  bool gro = true;  // receive trains of packets in one call where the kernel can
  // How long a worker polls for more work before it sleeps, 0..1,000. Trades CPU time for latency.
  std::uint64_t busy_poll_us = 0;
};

// Every setting of a server. The same names are the keys of krepis_quic_start_json and, with dashes, the
// flags of `knul serve`.
struct ServerOptions : ConnectionOptions, QlogOptions {
  std::string host = "127.0.0.1";  // numeric IPv4 or IPv6, or "localhost"
  std::uint16_t port = 0;          // 0: a free port, see QuicServer::port
  // A bound UDP socket of the program in place of host and port; 0: none. The server uses a duplicate and
  // changes the socket's options. The workers share it, or add sockets if SO_REUSEPORT was set before bind.
  std::uint64_t listen_fd = 0;
  std::string key_log_path;  // secrets of all connections are appended; empty: none
  // The certificate of handshakes without a name of `sni_cert_paths`: a PEM file or the PEM text itself, leaf
  // first; the key unencrypted. Of path and text exactly one.
  std::string cert_path;
  std::string key_path;
  std::string cert_pem;
  std::string key_pem;  // secret: options() has "(not shown)" in place of it
  // Certificates that clients choose by name (SNI), with their keys in the same order; at most 1,000.
  std::vector<std::string> sni_cert_paths;
  std::vector<std::string> sni_key_paths;
  // Client certificates (mutual TLS): "none", "optional": a client may send none, "required". A certificate
  // that a client sends must be valid, for TLS clients, and issued by an authority of client_ca_path or
  // client_ca_pem, of which exactly one is given. No session is resumed then.
  std::string client_auth = "none";
  std::string client_ca_path;       // PEM file of authorities
  std::string client_ca_pem;        // the same as text
  bool watch_certificates = false;  // a thread looks at the files once a second and reloads, see reload()
  unsigned workers = 0;             // 0: the number of CPUs, at most 8; 1..64
  std::uint64_t drain_timeout_ms = 5'000;  // 0..3,600,000, default deadline of stop

  std::uint64_t max_connections = 200'000;           // per server
  std::uint64_t max_connections_per_address = 0;     // per source IPv4 address or IPv6 /64; 0: no cap
  std::uint64_t max_half_open = 4'096;               // incomplete handshakes, per server
  std::uint64_t server_send_buffer_bytes = 1 << 30;  // per server, split evenly over its workers
  // Bytes of all connections that programs wrote through channels and Stream::write has not accepted yet.
  // One connection may hold half of the free bytes, and at most 128 KiB or eight congestion windows.
  std::uint64_t server_write_queue_bytes = 256 << 20;  // per server
  // Limit of the growth of all receive windows beyond their initial size; per server, split evenly.
  std::uint64_t server_receive_window_bytes = 1 << 30;
  // Address validation (RFC 9000 §8.1.2): "never", "always", or "auto": from half of max_half_open on, from
  // 256 handshakes on a worker, and at max_connections.
  std::string retry = "auto";
  // HTTP listener for operators, read-only, on a thread of its own: "127.0.0.1:9464", "[::1]:0" (a free port)
  // or "unix:/path"; empty: none. Whoever can connect can read the addresses of peers and all statistics.
  std::string admin;
  // "auto": "bpf" if the kernel can, else "single_socket"; "bpf": by connection ID in the kernel, or fail.
  std::string steering = "auto";
};

// Memory that an Application keeps for the peers of its server, such as the channels of krepis/channel.h.
struct ApplicationMemory {
  std::uint64_t channels = 0;           // open channels
  std::uint64_t queued_bytes = 0;       // written by the program, not yet accepted by Stream::write
  std::uint64_t parked_bytes = 0;       // received bytes without room in an arena
  std::uint64_t region_bytes = 0;       // mapped for channels
  std::uint64_t arena_used_bytes = 0;   // part of region_bytes: received and not yet released
  std::uint64_t events_waiting = 0;     // events without room in a ring
  std::uint64_t mail_bytes = 0;         // commands between threads, in use or kept for reuse
  std::uint64_t spare_bytes = 0;        // kept for reuse
  std::uint64_t datagrams_dropped = 0;  // since the start, without those of drop_datagram and send_datagram
};
// Called for each read of the statistics. Thread: any, several at once, as long as the server lives.
using ApplicationMemorySource = std::function<ApplicationMemory()>;

// The result of a drain.
struct DrainReport {
  bool clean = false;  // no stream was cut, neither at the deadline nor by Connection::close
  std::uint64_t connections_closed = 0;
  std::uint64_t streams_completed = 0;  // finished and acknowledged during the drain
  std::uint64_t streams_cut = 0;
  std::uint64_t bytes_unsent = 0;  // unsent and unacknowledged bytes of cut streams
  std::chrono::milliseconds elapsed{};
};

// The seven statistics of krepis_quic_get_stats that never change.
struct Statistics {
  std::uint64_t total_requests = 0;  // client-opened bidirectional streams
  std::uint64_t active_connections = 0;
  std::uint64_t total_bytes_in = 0;   // UDP payload
  std::uint64_t total_bytes_out = 0;  // UDP payload
  double avg_latency_ms = 0;          // from the first byte of a request to the last byte of its answer sent
  std::uint64_t error_count = 0;
  std::uint64_t uptime_ms = 0;
};

// A running server.
// Thread: all functions from any thread but the server's own workers.
class QuicServer {
 public:
  // Binds, starts the workers, and returns when packets are being received. Without a factory the server
  // completes handshakes and refuses every stream with LibraryCode::kNoConsumer.
  // Errors: kInvalidRequest (an option), kInternal (certificate or key), kNetworkError (address),
  // kQuotaExceeded (descriptors, threads), kOutOfMemory; nothing is left behind.
  // `memory`: statistics of the Application's memory, if it keeps any.
  static Result<std::unique_ptr<QuicServer>> start(const ServerOptions& options,
                                                   const ApplicationFactory& factory = nullptr,
                                                   ApplicationMemorySource memory = nullptr);
  // Checks options, certificates, keys and logs as start does, without a socket or a thread. Errors:
  // kInvalidRequest, kInternal, kQuotaExceeded (descriptors), kOutOfMemory.
  static Result<void> check(const ServerOptions& options);
  // Stops with deadline 0 if still running.
  ~QuicServer();
  QuicServer(const QuicServer&) = delete;
  QuicServer& operator=(const QuicServer&) = delete;

  // Drains and stops: refuses new connections and streams, lets open streams finish, closes the rest at the
  // deadline. Blocks until threads, sockets and memory are released: at most the deadline plus 200 ms for
  // the last packets, with qlog_folder 2 s more if the file system is slow. A second call, also a concurrent
  // one, is kInvalidContext.
  Result<DrainReport> stop(std::chrono::milliseconds deadline);
  // The same with ServerOptions::drain_timeout_ms.
  Result<DrainReport> stop();

  // Reads all certificate, key and authority files again, checks them as start does, and replaces all in one
  // step, for handshakes that start after the return. Sessions are still resumed, unless a DNS name has gone.
  // After an error, which is counted and logged, the present certificates stay in use.
  // Errors: kInternal (certificate or key), kQuotaExceeded (descriptors), kOutOfMemory, kInvalidContext (the
  // server stops, or has no file to read). Blocks while the file system reads, and for another reload.
  Result<void> reload();

  [[nodiscard]] bool is_running() const;  // false after stop was called
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] const ServerOptions& options() const;  // the values in use: port and workers resolved

  // Never blocks, and does not wait for a worker.
  [[nodiscard]] Statistics stats() const;
  // Appends all statistics to `out` as a flat JSON object; see docs/statistics.md.
  void stats_json(std::string& out) const;
  // Appends the same list to `out` as OpenMetrics text.
  void metrics_text(std::string& out) const;
  // Appends at most `limit` open connections to `out` as a JSON array, by ID. Blocks until the workers answer
  // between other work, at most a second; kTimeout if a worker does not.
  Result<void> connections_json(std::string& out, std::size_t limit = 10'000) const;
  // The same for a page, see krepis_quic_connections_json. kInvalidRequest: an unknown key or a wrong value.
  Result<void> query_connections(std::string& out, std::string_view query) const;

 private:
  class Impl;
  explicit QuicServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Servers by handle. The C ABI keeps its servers in a registry.
// Thread: all functions from any thread. find takes no lock and allocates no memory.
class ServerRegistry {
 public:
  static constexpr std::size_t kMaxServers = 1'024;

  // Keeps a server alive while it is used. Keep it briefly: a stop by handle waits for it.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept;
    Pin& operator=(Pin&& other) noexcept;
    ~Pin();
    explicit operator bool() const noexcept { return server_ != nullptr; }
    QuicServer* operator->() const noexcept { return server_; }
    QuicServer& operator*() const noexcept { return *server_; }

   private:
    friend class ServerRegistry;
    Pin(void* cell, QuicServer* server) : cell_(cell), server_(server) {}
    void* cell_ = nullptr;
    QuicServer* server_ = nullptr;
  };

  ServerRegistry();
  ~ServerRegistry();
  ServerRegistry(const ServerRegistry&) = delete;
  ServerRegistry& operator=(const ServerRegistry&) = delete;

  // Returns a handle: never 0, never reused, below 2^53. Errors: kInvalidPointer (null), kOutOfMemory,
  // kConcurrencyLimitExceeded (kMaxServers).
  Result<std::uint64_t> register_server(std::unique_ptr<QuicServer> server);
  [[nodiscard]] Pin find(std::uint64_t handle) const;
  // Removes and returns the server after its last pin has ended. Null for an unknown handle, and for all but
  // one of concurrent calls.
  std::unique_ptr<QuicServer> unregister(std::uint64_t handle);
  // A server that is registered or removed during the call may or may not be in the list.
  [[nodiscard]] std::vector<std::uint64_t> list_handles() const;
  [[nodiscard]] std::size_t count() const;
  // `visit` must not unregister its server, which is pinned during the visit.
  void for_each(const std::function<void(std::uint64_t handle, QuicServer& server)>& visit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Windows and buffers are larger than a server's, because a client has few connections.
struct ClientOptions : ConnectionOptions {
  ClientOptions() {
    initial_max_data_bytes = 16 << 20;
    initial_max_stream_data_bytes = 4 << 20;
    max_window_bytes = 64 << 20;
    max_stream_window_bytes = 32 << 20;
    stream_send_buffer_bytes = 4 << 20;
    max_stream_send_buffer_bytes = 32 << 20;
    connection_send_buffer_bytes = 64 << 20;
  }

  // Numeric. The client reaches servers of the same address family only: "0.0.0.0" for IPv4, "::" for IPv6.
  std::string local_address = "0.0.0.0";
  std::string ca_path;      // PEM file of trusted roots; empty: the system's
  bool verify_peer = true;  // false accepts any certificate; for tests only
  // The certificate for servers that ask for one: PEM files of chain and key. Both or none.
  std::string cert_path;
  std::string key_path;
  // Keeps the newest 16 session tickets for each of 64 server names in memory and resumes sessions with them:
  // half the work for both sides, no early data. It uses a ticket once, except that it reuses the last ticket
  // of a name until the next arrives: an observer can then link those connections. False: only full
  // handshakes.
  bool resume_sessions = true;
};

// A QUIC client with one thread, one socket and any number of connections.
class QuicClient {
 public:
  // Returns when its thread runs. Errors: kInvalidRequest (an option), kInternal (a file), kNetworkError
  // (local_address), kQuotaExceeded (descriptors, threads); nothing is left behind.
  static Result<std::unique_ptr<QuicClient>> start(const ClientOptions& options,
                                                   std::unique_ptr<Application> application);
  // Closes idle connections with LibraryCode::kNone, busy ones with kDeadline, and joins the thread.
  // Blocks: up to 200 ms, to send the closes. Thread: any but the client's own.
  ~QuicClient();
  QuicClient(const QuicClient&) = delete;
  QuicClient& operator=(const QuicClient&) = delete;

  // Starts a handshake; on_connection or on_connection_closed follows on the client's thread, where
  // Connection::context returns `context`. `host` is numeric or "localhost". The client sends `server_name`
  // as SNI and checks the certificate for it. Thread: any, also the client's own.
  // Errors: kInvalidRequest (host, address family), kNetworkError (no route), kInvalidContext (stopping, or
  // thousands of calls wait).
  Result<void> connect(std::string_view host, std::uint16_t port, std::string_view server_name,
                       std::uint64_t context);
  // Runs `task` on the client's thread soon. Thread: any. Blocking: never. Returns false and drops the task
  // when the client is stopping or thousands of tasks wait.
  bool post(std::function<void()> task);

 private:
  class Impl;
  explicit QuicClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The version of the library, "major.minor.patch".
[[nodiscard]] const char* version();

}  // namespace krepis
