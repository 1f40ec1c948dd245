// Krepis KNUL for C++ programs: a QUIC server (RFC 9000) and client inside one process, linked statically
// (`find_package(knul)`, target `knul::cpp`). Programs in other languages use krepis.h.
//
// Five conventions hold for everything below.
//  1. Errors are values: a function that can fail returns Result<T>. Nothing here throws; an exception
//     that an Application throws is caught, counted, and ends the stream or connection it came from.
//  2. A server runs `workers` threads. A connection lives on one worker all its life. Application and
//     Connection functions are called on that thread only; QuicServer, ServerRegistry and QuicClient
//     functions may be called from any other thread.
//  3. Spans given to a callback are valid until the callback returns. Spans given to a function are
//     copied before it returns, unless the function says otherwise.
//  4. A Connection reference is valid from on_connection until on_connection_closed returns.
//  5. Sizes are bytes, times are std::chrono durations, stream ids are those of RFC 9000 §2.1.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <krepis/expected.hpp>

namespace krepis {

// The codes of the C ABI; numbers that are not listed are reserved.
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
  std::string message;  // names the field, the value and what was expected
};

template <class T>
using Result = Expected<T, Error>;

using StreamId = std::uint64_t;

enum class StreamDirection : std::uint8_t { kBidirectional, kUnidirectional };

// Whether a write or an event ends its direction of the stream.
enum class Fin : bool { kNo = false, kYes = true };

// Application error codes (RFC 9000 §20.2) that the library itself uses on streams and connections.
// A program that defines its own protocol chooses codes outside this range.
enum class LibraryCode : std::uint64_t {
  kNone = 0,                       // a connection that was closed because nothing was left to do
  kNoConsumer = 0x4b4e5501,        // the server runs without an Application: streams have no receiver
  kDraining = 0x4b4e5502,          // the stream was opened after the drain began
  kDeadline = 0x4b4e5503,          // the drain deadline passed while the connection still had work
  kApplicationError = 0x4b4e5504,  // an Application callback threw
  kConsumerGone = 0x4b4e5505,      // the connection's channel (krepis/channel.h) was closed
  kOverloaded = 0x4b4e5506,        // the connection's channel had no room for more events or bytes
  kNoProgress = 0x4b4e5507,  // the connection made no progress while what all connections share was short
};

// Bytes that the library may send without copying them. The owner is released when the peer has
// acknowledged them or the stream is gone; the bytes must not change until then.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  std::span<const std::uint8_t> bytes;
};

// One connection's figures at one moment.
struct ConnectionInfo {
  std::chrono::nanoseconds smoothed_rtt{};
  std::chrono::nanoseconds min_rtt{};
  std::uint64_t congestion_window_bytes = 0;
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t bytes_received = 0;  // UDP payload
  std::uint64_t bytes_sent = 0;      // UDP payload
  std::uint64_t streams_active = 0;
};

// Why a connection ended.
struct CloseReason {
  enum class Source : std::uint8_t {
    kPeerApplication,   // the peer's CONNECTION_CLOSE of type 0x1d
    kPeerTransport,     // the peer's CONNECTION_CLOSE of type 0x1c
    kLocalApplication,  // Connection::close
    kLocalTransport,    // this side found an error (RFC 9000 §20.1)
    kIdleTimeout,       // RFC 9000 §10.1
    kHandshakeTimeout,
    kStatelessReset,  // RFC 9000 §10.3
    kDrain,           // the server stopped
  };
  Source source = Source::kLocalApplication;
  std::uint64_t code = 0;  // an application code, or a transport code of RFC 9000 §20.1
  std::string reason;
};

// The order in which streams of one connection send (the scheme of RFC 9218 §4): lower urgency first, streams
// of the same urgency in turn when incremental, else one after the other.
struct StreamPriority {
  std::uint8_t urgency = 3;  // 0..7, larger counts as 7
  bool is_incremental = true;
};

// What happens to a datagram when the connection's queue of unsent datagrams is full, or its share of
// server_send_buffer_bytes is used up.
enum class DatagramPolicy : std::uint8_t {
  kBlock,       // it is not taken, on_datagram_writable follows
  kDropOldest,  // the oldest is dropped for it. Inside on_datagram_fate of a datagram that was dropped so, it
                // means kDropNewest
  kDropNewest,  // it is dropped
};

struct DatagramOptions {
  DatagramPolicy policy = DatagramPolicy::kDropNewest;
  std::chrono::nanoseconds expires_after{};  // dropped when not sent within this time; 0: never
  bool reports_fate = false;                 // on_datagram_fate follows for one that was queued
  std::uint32_t context = 0;                 // given back with the fate
};

enum class DatagramOutcome : std::uint8_t {
  kQueued,
  kBlocked,  // the queue is full, on_datagram_writable follows
  kDropped,  // by the policy; without a fate, and counted
  kRefused,  // empty, longer than max_datagram_bytes(), or the connection is closing; counted as dropped
};

enum class DatagramFate : std::uint8_t {
  kAcknowledged,
  kLost,     // declared lost (RFC 9002 §6.1); it may still have arrived
  kDropped,  // by the policy, its expiry or a smaller path, before it was sent
};

// A connection, as the Application sees it.
// Thread: the worker that called the Application. Blocking: never.
// Lifetime: until on_connection_closed returns.
class Connection {
 public:
  // Unique in its server, never reused.
  [[nodiscard]] virtual std::uint64_t id() const = 0;
  // The negotiated protocol (RFC 7301) and the name the client asked for (RFC 6066 §3; may be empty).
  [[nodiscard]] virtual std::string_view alpn() const = 0;
  [[nodiscard]] virtual std::string_view server_name() const = 0;
  // "address:port" of the validated path.
  [[nodiscard]] virtual std::string peer_address() const = 0;
  [[nodiscard]] virtual ConnectionInfo info() const = 0;
  // The value given to QuicClient::connect; 0 on a server.
  [[nodiscard]] virtual std::uint64_t context() const = 0;
  // The handshake resumed an earlier session (RFC 8446 §2.2): no certificate was sent or checked.
  [[nodiscard]] virtual bool is_resumed() const = 0;

  // Opens a stream. kConcurrencyLimitExceeded while the peer's MAX_STREAMS credit is used up (RFC 9000
  // §4.6; on_streams_available follows), kInvalidContext once the connection is closing.
  virtual Result<StreamId> open_stream(StreamDirection direction) = 0;

  // Takes bytes to send and returns how many were accepted: less than given when the stream's, the
  // connection's or the server's send buffer is full or others wait for the last one (on_stream_writable
  // follows), 0 when the stream cannot send. The FIN is taken only together with the last byte; a FIN alone
  // is accepted with an empty span. The first form copies, the second keeps a reference.
  // Throws std::bad_alloc; some of the bytes may have been taken then.
  virtual std::size_t write(StreamId stream, std::span<const std::uint8_t> bytes, Fin fin) = 0;
  virtual std::size_t write(StreamId stream, SharedBytes bytes, Fin fin) = 0;
  // Bytes that a write would accept now. No on_stream_writable follows where this alone was asked.
  [[nodiscard]] virtual std::size_t writable_bytes(StreamId stream) const = 0;

  // Says that `bytes` of what on_stream_data delivered are done with: the peer gets that much
  // flow-control credit back (RFC 9000 §4.1). What is never consumed slows the peer down.
  virtual void consume(StreamId stream, std::size_t bytes) = 0;

  // RESET_STREAM of the sending side / STOP_SENDING of the receiving side (RFC 9000 §19.4, §19.5).
  virtual void reset_stream(StreamId stream, std::uint64_t code) = 0;
  virtual void stop_sending(StreamId stream, std::uint64_t code) = 0;
  // Both, for a stream that on_stream_opened has just told of: it is counted as refused, and the Application
  // hears no more of it.
  virtual void refuse_stream(StreamId stream, std::uint64_t code) = 0;
  virtual void set_priority(StreamId stream, StreamPriority priority) = 0;
  // Says that nobody takes the datagram that on_datagram has just brought: it is counted as dropped.
  virtual void drop_datagram() = 0;

  // Holds a stream of the peer back from its end: on_stream_closed comes, and the peer gets credit for
  // another stream (RFC 9000 §4.6), only after release_stream. For Applications that hand events on and want
  // to bound how many wait to be looked at. Within on_stream_closed it comes too late and does nothing.
  virtual void retain_stream(StreamId stream) = 0;
  virtual void release_stream(StreamId stream) = 0;

  // Queues a DATAGRAM (RFC 9221). False, and counted as dropped, when it is empty, longer than
  // max_datagram_bytes(), not supported by the peer, or the queue of unsent datagrams is full.
  virtual bool send_datagram(std::span<const std::uint8_t> bytes) = 0;
  virtual DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes,
                                        const DatagramOptions& options) = 0;
  // 0 when the peer takes no datagrams.
  [[nodiscard]] virtual std::size_t max_datagram_bytes() const = 0;

  // Closes with an application code and the first 256 bytes of `reason`; buffered data is discarded.
  // on_connection_closed follows after the current callback has returned.
  virtual void close(std::uint64_t code, std::string_view reason) = 0;

 protected:
  ~Connection() = default;
};

// The worker thread that an Application runs on.
class Worker {
 public:
  [[nodiscard]] virtual unsigned index() const = 0;
  // Runs `task` on the worker's thread soon. Thread: any. False when the worker is stopping or its queue
  // is full; the task is then dropped.
  virtual bool post(std::function<void()> task) = 0;
  // Runs `task` on the worker's thread after `delay`; not at all if the worker stops before.
  // Thread: the worker's.
  virtual void call_after(std::chrono::nanoseconds delay, std::function<void()> task) = 0;
  // The worker's clock: monotonic, read once or twice per turn of the loop.
  [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;

 protected:
  ~Worker() = default;
};

// The program's side: told of connections, streams, data and datagrams; writes through the Connection.
// One object per worker, so it needs no locks. Every function has an empty default, except that
// unconsumed data stays unconsumed.
class Application {
 public:
  virtual ~Application() = default;

  // Before the first connection. Lifetime: `worker` outlives this object.
  virtual void on_start(Worker& /*worker*/) {}
  // The handshake is complete.
  virtual void on_connection(Connection& /*connection*/) {}
  // Nothing follows for this connection. Also called, on a client, for a connection that never
  // completed its handshake (on_connection was not called then).
  virtual void on_connection_closed(Connection& /*connection*/, const CloseReason& /*reason*/) {}

  // The peer opened a stream. Data follows in on_stream_data.
  virtual void on_stream_opened(Connection& /*connection*/, StreamId /*stream*/) {}
  // In order, without gaps. `bytes` may be empty when `fin` is set.
  virtual void on_stream_data(Connection& /*connection*/, StreamId /*stream*/,
                              std::span<const std::uint8_t> /*bytes*/, Fin /*fin*/) {}
  // After a write that accepted less than given, once there is room again.
  virtual void on_stream_writable(Connection& /*connection*/, StreamId /*stream*/) {}
  // The peer sent RESET_STREAM / STOP_SENDING. After STOP_SENDING the sending side has been reset with
  // the same code (RFC 9000 §3.5).
  virtual void on_stream_reset(Connection& /*connection*/, StreamId /*stream*/, std::uint64_t /*code*/) {}
  virtual void on_stop_sending(Connection& /*connection*/, StreamId /*stream*/, std::uint64_t /*code*/) {}
  // Both directions are over, everything sent is acknowledged. The id may not be used any more.
  virtual void on_stream_closed(Connection& /*connection*/, StreamId /*stream*/) {}
  // The peer allows more streams of this direction after open_stream failed for lack of credit.
  virtual void on_streams_available(Connection& /*connection*/, StreamDirection /*direction*/) {}
  virtual void on_datagram(Connection& connection, std::span<const std::uint8_t> /*bytes*/) {
    connection.drop_datagram();
  }
  // After a send_datagram that gave kBlocked, once half of the datagrams that were queued then have left.
  virtual void on_datagram_writable(Connection& /*connection*/) {}
  virtual void on_datagram_fate(Connection& /*connection*/, std::uint32_t /*context*/,
                                DatagramFate /*fate*/) {}

  // What one turn of the worker's loop brought has been told, usually of 16 connections at most: the moment
  // to act on all of it at once. Called when anything was told, before what was written is sent, and again
  // when sending brought more.
  virtual void on_input_done() {}
  // The server drains: no new streams will come, what is open may be finished until `deadline` from now.
  // Once per worker.
  virtual void on_drain(std::chrono::milliseconds /*deadline*/) {}
};

// Called once per worker, on the thread that calls start.
using ApplicationFactory = std::function<std::unique_ptr<Application>(unsigned worker)>;

// What an endpoint offers its peers and keeps for them: settings that servers and clients share.
// Out-of-range values are kInvalidRequest.
struct ConnectionOptions {
  std::vector<std::string> alpn = {"knul"};  // 1..16 names of 1..255 bytes, in order of preference

  std::uint64_t max_streams = 100;      // concurrent bidirectional streams that the peer may open, 1..2^32-1
  std::uint64_t max_streams_uni = 100;  // the same, unidirectional, 0..2^32-1
  std::uint64_t idle_timeout_ms = 30'000;       // 1,000..86,400,000 (longer is clamped), RFC 9000 §10.1
  std::uint64_t handshake_timeout_ms = 10'000;  // 100..600,000
  std::uint64_t hibernate_after_ms = 2'000;     // of being idle (100 if never used); 0: never; <= 86,400,000

  std::uint64_t initial_max_data_bytes = 1 << 20;           // connection window at first, RFC 9000 §4.1
  std::uint64_t initial_max_stream_data_bytes = 256 << 10;  // stream window at first
  std::uint64_t max_window_bytes = 24 << 20;                // limit of window auto-tuning, connection
  std::uint64_t max_stream_window_bytes = 16 << 20;         // limit of window auto-tuning, stream
  std::uint64_t stream_send_buffer_bytes = 1 << 20;         // unacknowledged and unsent bytes per stream
  std::uint64_t max_stream_send_buffer_bytes = 16 << 20;    // the same, grown to twice what the path holds
  std::uint64_t connection_send_buffer_bytes = 16 << 20;    // per connection
  std::uint64_t datagram_queue = 256;  // unsent datagrams per connection; 0: no datagrams

  std::string congestion_control = "cubic";          // "cubic", "bbr", "reno"
  std::string packet_protection = "auto";            // "auto": intel-ipsec-mb where build and processor have
                                                     // it; "ipsec_mb": fail without it; "gnutls"
  std::uint64_t max_udp_payload_bytes = 1'452;       // 1,200..65,527; path MTU discovery ends here
  std::uint64_t socket_send_buffer_bytes = 4 << 20;  // asked of the kernel, see statistics for what was got
  std::uint64_t socket_receive_buffer_bytes = 4 << 20;
  bool gso = true;  // send trains in one call where the kernel can
  bool gro = true;  // receive trains in one call where the kernel can
  // How long a worker that had work looks for more before it sleeps, 0..1,000. Spends CPU time for latency.
  std::uint64_t busy_poll_us = 0;
};

// Every setting of a server. The same names are the keys of krepis_quic_start_json and, with dashes, the
// flags of `knul serve`.
struct ServerOptions : ConnectionOptions {
  std::string host = "127.0.0.1";          // numeric IPv4 or IPv6, or "localhost"
  std::uint16_t port = 0;                  // 0: an ephemeral port, see QuicServer::port
  std::string cert_path;                   // PEM, leaf first
  std::string key_path;                    // PEM, unencrypted
  unsigned workers = 0;                    // 0: the number of CPUs, at most 8; 1..64
  std::uint64_t drain_timeout_ms = 5'000;  // 0..3,600,000, the deadline of stop without one

  std::uint64_t max_connections = 200'000;           // per server
  std::uint64_t max_connections_per_address = 0;     // per source IPv4 address or IPv6 /64; 0: no cap
  std::uint64_t max_half_open = 4'096;               // handshakes under way, per server
  std::uint64_t server_send_buffer_bytes = 1 << 30;  // per server, split evenly over its workers
  // What programs wrote through channels and Connection::write has not taken yet, of all connections
  // together. One may hold half of what is free, and at most 128 KiB or eight congestion windows.
  std::uint64_t server_write_queue_bytes = 256 << 20;  // per server
  // How far receive windows of all connections may grow beyond the initial ones; per server, split evenly.
  std::uint64_t server_receive_window_bytes = 1 << 30;
  std::string retry = "auto";     // address validation (RFC 9000 §8.1.2): "never", "always", or "auto": from
                                  // half of max_half_open on, and from 256 handshakes on a worker
  std::string steering = "auto";  // "auto": by connection ID in the kernel, else one shared socket;
                                  // "bpf": fail if the kernel refuses; "single_socket"
};

// What the Application of a server keeps for its peers beside what the engine does; the channels of
// krepis/channel.h are one.
struct ApplicationMemory {
  std::uint64_t channels = 0;           // open
  std::uint64_t queued_bytes = 0;       // written by the program and not yet taken by Connection::write
  std::uint64_t parked_bytes = 0;       // received, without room where the program reads them
  std::uint64_t region_bytes = 0;       // mapped for what the program reads
  std::uint64_t arena_used_bytes = 0;   // of those: received and not yet released
  std::uint64_t events_waiting = 0;     // that the program has no room for
  std::uint64_t mail_bytes = 0;         // of orders between threads, under way or kept for further ones
  std::uint64_t spare_bytes = 0;        // kept for later use
  std::uint64_t datagrams_dropped = 0;  // since the start, beside those of drop_datagram and send_datagram
};
// Asked when the statistics are. Thread: any, also several at once, and as long as the server lives.
using ApplicationMemorySource = std::function<ApplicationMemory()>;

// What a drain did.
struct DrainReport {
  bool clean = false;  // nothing was cut, neither at the deadline nor by Connection::close
  std::uint64_t connections_closed = 0;
  std::uint64_t streams_completed = 0;  // finished and acknowledged during the drain
  std::uint64_t streams_cut = 0;
  std::uint64_t bytes_unsent = 0;  // buffered and unacknowledged when cut
  std::chrono::milliseconds elapsed{};
};

// The seven figures of the contract.
struct Statistics {
  std::uint64_t total_requests = 0;  // client-opened bidirectional streams
  std::uint64_t active_connections = 0;
  std::uint64_t total_bytes_in = 0;   // UDP payload
  std::uint64_t total_bytes_out = 0;  // UDP payload
  double avg_latency_ms = 0;  // first byte of a request to last byte of its answer handed to the network
  std::uint64_t error_count = 0;
  std::uint64_t uptime_ms = 0;
};

// A running server.
// Thread: all functions from any thread but the server's own workers.
class QuicServer {
 public:
  // Binds, starts the workers, and returns when packets are being received. Without a factory the server
  // completes handshakes and refuses every stream with LibraryCode::kNoConsumer.
  // Errors: kInvalidRequest (an option), kInternal (certificate or key), kNetworkError (address), and
  // kQuotaExceeded (descriptors, threads); nothing is left behind.
  // `memory`: for the statistics, if the Application keeps something.
  static Result<std::unique_ptr<QuicServer>> start(const ServerOptions& options,
                                                   const ApplicationFactory& factory = nullptr,
                                                   ApplicationMemorySource memory = nullptr);
  // Stops with deadline 0 if still running.
  ~QuicServer();
  QuicServer(const QuicServer&) = delete;
  QuicServer& operator=(const QuicServer&) = delete;

  // Drains: refuses new connections and streams, lets what is open finish, closes what is left at the
  // deadline. Blocks until threads, sockets and memory are released: at most the deadline plus the linger
  // of 200 ms. A second call, also concurrent, gives kInvalidContext.
  Result<DrainReport> stop(std::chrono::milliseconds deadline);
  // The same with ServerOptions::drain_timeout_ms.
  Result<DrainReport> stop();

  [[nodiscard]] bool is_running() const;  // false from the moment that stop was called
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] const ServerOptions& options() const;  // as in force: port and workers resolved

  // Never blocks, never waits for a worker.
  [[nodiscard]] Statistics stats() const;
  // All statistics: JSON object, flat, see docs/statistics.md. Appends to `out`.
  void stats_json(std::string& out) const;
  // The same list as OpenMetrics text. Appends to `out`.
  void metrics_text(std::string& out) const;
  // JSON array of open connections, at most `limit`. Asks the workers and waits up to one second for
  // them; kTimeout if one does not answer. Appends to `out`.
  Result<void> connections_json(std::string& out, std::size_t limit = 10'000) const;

 private:
  class Impl;
  explicit QuicServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Servers by handle. The C ABI keeps its servers in one of these.
// Thread: all functions from any thread. find takes no lock and allocates nothing.
class ServerRegistry {
 public:
  static constexpr std::size_t kMaxServers = 1'024;

  // Keeps a server from being released while it is used. Lifetime: short; stop waits for it.
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

  // A handle is never 0, never reused, and below 2^53. kConcurrencyLimitExceeded beyond kMaxServers.
  Result<std::uint64_t> register_server(std::unique_ptr<QuicServer> server);
  [[nodiscard]] Pin find(std::uint64_t handle) const;
  // Takes the server out; waits for pins. Null for an unknown handle; of two concurrent calls one gets it.
  std::unique_ptr<QuicServer> unregister(std::uint64_t handle);
  // The servers of one moment each: one that comes or goes meanwhile may be in it or not.
  [[nodiscard]] std::vector<std::uint64_t> list_handles() const;
  [[nodiscard]] std::size_t count() const;
  // Each server is pinned during its visit, so `visit` must not unregister it.
  void for_each(const std::function<void(std::uint64_t handle, QuicServer& server)>& visit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A client's windows and buffers are larger: it has few connections and one program.
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

  // Numeric. Its family decides which servers can be reached: "0.0.0.0" those with an IPv4 address, "::"
  // those with an IPv6 address.
  std::string local_address = "0.0.0.0";
  std::string ca_path;      // PEM of trusted roots; empty: the system's
  bool verify_peer = true;  // false accepts any certificate: for tests only
  // Keeps session tickets in memory, the newest 16 for each of 64 server names, and resumes with them: half
  // the work for both sides, no early data. A ticket is used once, but the last one of a name until the next
  // comes. False: every handshake is a full one, so that nobody on the way can tell that two come from one
  // client.
  bool resume_sessions = true;
};

// A QUIC client: one thread, one socket, any number of connections.
class QuicClient {
 public:
  // Returns when the thread runs. Errors: kInvalidRequest (an option), kInternal (ca_path), kNetworkError
  // (local_address), kQuotaExceeded (descriptors, threads); nothing is left behind.
  static Result<std::unique_ptr<QuicClient>> start(const ClientOptions& options,
                                                   std::unique_ptr<Application> application);
  // Closes idle connections with LibraryCode::kNone, busy ones with kDeadline, and joins the thread.
  // Blocks: up to 200 ms, for the closes to arrive. Thread: any but the client's own.
  ~QuicClient();
  QuicClient(const QuicClient&) = delete;
  QuicClient& operator=(const QuicClient&) = delete;

  // Starts a handshake; on_connection or on_connection_closed follows on the client's thread, with
  // `context` in Connection::context. `host` is numeric or "localhost"; `server_name` is sent as SNI and
  // checked against the certificate. Thread: any, the client's own included.
  // Errors: kInvalidRequest (host, family), kNetworkError (no route), kInvalidContext (stopping, or
  // thousands of calls wait).
  Result<void> connect(std::string_view host, std::uint16_t port, std::string_view server_name,
                       std::uint64_t context);
  // Runs `task` on the client's thread soon. Thread: any. Blocking: never. False, and the task is dropped,
  // when the client stops or thousands of tasks wait.
  bool post(std::function<void()> task);

 private:
  class Impl;
  explicit QuicClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "major.minor.patch" of the library.
[[nodiscard]] const char* version();

}  // namespace krepis
