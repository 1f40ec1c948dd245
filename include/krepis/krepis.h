/* Krepis KNUL for C, and for every language that can call C: a QUIC server (RFC 9000) inside your program.
 * This header is the whole ABI of libknul.so. C++ programs may prefer krepis.hpp.
 *
 * Eight conventions hold for everything below.
 *  1. A function that can fail returns an FfiResponse whose error_code is 0 or one of the KREPIS_ codes.
 * After a failure krepis_last_error() gives a text for people, in the same thread; nothing else has changed.
 *  2. Each of these functions may also return KREPIS_INTERNAL (a defect or a failure of the system),
 *     KREPIS_OUT_OF_MEMORY, and KREPIS_INVALID_CONTEXT in a child made by fork(): the child's copy of the
 *     library is inert, the parent's servers go on. No exception and no signal crosses this boundary.
 *  3. All functions may be called from any thread at any time. None is async-signal-safe. A thread inside one
 *     is not cancelled (pthread_cancel) before it returns. Where nothing is said, a function does not block.
 *  4. Text goes in by length, so no NUL is needed; one NUL as the last counted byte is ignored. Everything
 * that goes in is copied before the call returns.
 *  5. Text comes out as UTF-8 in result_buffer; a NUL that `len` does not count follows it. It lives in the
 *     calling thread and is valid until that thread's next call that returns a buffer, or its end. Only the
 *     result of the start functions lives longer. The library owns it: do not write to it, do not free it.
 *  6. A server is known by a handle: never 0, below 2^53 so that a double holds it, never used again.
 *  7. Every function that returns an FfiResponse has a form with the suffix _into, for callers that cannot
 *     receive a struct by value.
 *  8. What stands here never changes its meaning or layout; later versions only add. krepis_abi_version()
 * says what the loaded library has.
 */
#ifndef KREPIS_KREPIS_H
#define KREPIS_KREPIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define KREPIS_NOEXCEPT noexcept
extern "C" {
#else
#define KREPIS_NOEXCEPT
#endif

#define KREPIS_API __attribute__((visibility("default")))

/* The version of this header, as krepis_abi_version() counts. */
#define KREPIS_ABI_VERSION 0x00010200u

/* Since 1.1.0. Numbers that are not listed are reserved. */
typedef enum KrepisError {
  KREPIS_SUCCESS = 0,
  KREPIS_INTERNAL = 1000,
  KREPIS_INVALID_CONTEXT = 1001,
  KREPIS_ABI_MISMATCH = 1002,
  KREPIS_MEMORY_ALIGNMENT = 1003,
  KREPIS_INVALID_POINTER = 1004,
  KREPIS_TIMEOUT = 2000,
  KREPIS_QUOTA_EXCEEDED = 3000,
  KREPIS_OUT_OF_MEMORY = 3001,
  KREPIS_CONCURRENCY_LIMIT_EXCEEDED = 3003,
  KREPIS_HANDSHAKE_FAILED = 4000,
  KREPIS_INVALID_REQUEST = 4001,
  KREPIS_VERSION_MISMATCH = 4002,
  KREPIS_NETWORK_ERROR = 5000,
  KREPIS_CONNECTION_FAILED = 5001
} KrepisError;

/* Bytes in one of the two directions. Since 1.1.0. */
typedef struct FfiBuffer {
  const uint8_t* data;
  uint64_t len;      /* bytes that count */
  uint64_t cap;      /* bytes behind data, at least len */
  uint64_t reserved; /* 0 */
} FfiBuffer;

/* What a function answers. Since 1.1.0. */
typedef struct FfiResponse {
  uint32_t error_code;     /* KrepisError */
  uint32_t reserved;       /* 0 */
  FfiBuffer result_buffer; /* all zero when there is no result */
} FfiResponse;

/* What krepis_quic_start needs; krepis_quic_start_json knows every other setting. Since 1.1.0. */
typedef struct FfiQuicConfig {
  uint16_t port;            /* UDP, 1 to 65535 */
  uint16_t reserved;        /* not read */
  uint32_t max_streams;     /* concurrent client-opened bidirectional streams per connection, at least 1 */
  uint64_t idle_timeout_ms; /* at least 1,000; above 86,400,000 (a day) counts as a day */
  FfiBuffer host_addr;      /* numeric IPv4 or IPv6 address, or "localhost" (127.0.0.1); 1 to 255 bytes */
  FfiBuffer cert_path;      /* PEM file of the certificate chain, leaf first; 1 to 4,096 bytes */
  FfiBuffer key_path;       /* PEM file of the leaf's private key, not encrypted; 1 to 4,096 bytes */
} FfiQuicConfig;

/* ---- The frozen three ---------------------------------------------------------------------------------- */

/* Starts a server: binds the address, starts the worker threads, returns when packets are being received.
 * It completes handshakes for ALPN "knul"; streams are refused (code 0x4b4e5501) until krepis_channel_open
 * gives it a consumer.
 *
 * config: the settings; may be freed or changed as soon as the call has returned.
 * Result: 8 bytes, the handle as a uint64_t in the machine's byte order.
 * Errors: KREPIS_INVALID_POINTER: config is null.
 *   KREPIS_MEMORY_ALIGNMENT: config is not aligned to 8 bytes; nothing was read.
 *   KREPIS_INVALID_REQUEST: port or max_streams is 0, idle_timeout_ms is below 1,000, a text is empty, too
 *     long, contains a NUL before its end, has null data or cap below len, or host_addr is not an address.
 *   KREPIS_INTERNAL: a certificate or key file is unreadable, not PEM, encrypted, or they do not match.
 *   KREPIS_NETWORK_ERROR: the port is in use or not permitted, or the address is not this machine's.
 *   KREPIS_QUOTA_EXCEEDED: no descriptors or threads left.
 *   KREPIS_CONCURRENCY_LIMIT_EXCEEDED: 1,024 servers exist already.
 *   After an error nothing is left behind: no socket, no thread, no memory.
 * Blocks: for file reads, key checks and thread starts, well under a second. Never asks for a password.
 * Threads: any.
 * Memory: the 8 bytes belong to the library and stay until the stop of that handle returns.
 * Since: 1.1.0. RFC 9000, RFC 9001. */
KREPIS_API FfiResponse krepis_quic_start(const FfiQuicConfig* config) KREPIS_NOEXCEPT;

/* Stops a server and waits for it. New connections and streams are refused, idle connections close, open
 * streams may finish until the setting drain_timeout_ms (5 s unless changed), the rest is closed then.
 *
 * handle: from a start function.
 * Result: none.
 * Errors: KREPIS_INVALID_POINTER: no such server, or it is being stopped already. Of concurrent stops exactly
 *     one gets another answer.
 *   KREPIS_TIMEOUT: streams were cut (deadline, program, short memory); the server is stopped all the same.
 * Blocks: at most the deadline and 0.2 s for the last packets. When it returns, threads, sockets and memory
 * of the server are released and the port is free. Threads: any. Memory: ends the life of the start's 8
 * bytes. Since: 1.1.0. RFC 9000 §10.2. */
KREPIS_API FfiResponse krepis_quic_stop(uint64_t handle) KREPIS_NOEXCEPT;

/* Statistics of a server as one flat JSON object; docs/statistics.md lists the names.
 *
 * handle: from a start function. A server that is being stopped still answers.
 * Result: JSON with at least total_requests, active_connections, total_bytes_in, total_bytes_out,
 *   avg_latency_ms, error_count, uptime_ms.
 * Errors: KREPIS_INVALID_POINTER: no such server.
 * Blocks: never, and never waits for a worker.
 * Threads: any.
 * Memory: convention 5.
 * Since: 1.1.0. */
KREPIS_API FfiResponse krepis_quic_get_stats(uint64_t handle) KREPIS_NOEXCEPT;

/* ---- The library --------------------------------------------------------------------------------------- */

/* The ABI version of the loaded library: major << 16 | minor << 8 | patch. Equal major means compatible.
 *
 * Errors: none; also works after fork(). Blocks: never. Threads: any. Memory: none. Since: 1.2.0. */
KREPIS_API uint32_t krepis_abi_version(void) KREPIS_NOEXCEPT;

/* The version of the library, "major.minor.patch".
 *
 * Errors: none; also works after fork(). Blocks: never. Threads: any.
 * Memory: constant, valid for the life of the process. Since: 1.2.0. */
KREPIS_API const char* krepis_version(void) KREPIS_NOEXCEPT;

/* The name of a code, such as "InvalidRequest", or "Reserved" for a number that is not in KrepisError.
 *
 * error_code: as in FfiResponse.
 * Errors: none; also works after fork(). Blocks: never. Threads: any.
 * Memory: constant, valid for the life of the process. Since: 1.2.0. */
KREPIS_API const char* krepis_error_name(uint32_t error_code) KREPIS_NOEXCEPT;

/* Why this thread's most recent failed call failed: names the field, the value, and what was expected. ""
 * when no call of this thread has failed; calls that succeed leave it as it is. At most 1,023 bytes of UTF-8.
 *
 * Errors: none; also works after fork(). Blocks: never. Threads: any; each sees its own.
 * Memory: NUL-terminated, valid until this thread's next failed call, or its end. Since: 1.2.0. */
KREPIS_API const char* krepis_last_error(void) KREPIS_NOEXCEPT;

/* Describes every setting of krepis_quic_start_json.
 *
 * Result: JSON array of objects: name, type ("string", "integer", "boolean", "list of strings"), default
 * (null: must be given), doc, and where they apply min, max, values, unit. docs/settings.md is the same list.
 * Errors: convention 2. Blocks: never. Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_settings(void) KREPIS_NOEXCEPT;

/* ---- Servers ------------------------------------------------------------------------------------------- */

/* Starts a server with any of its settings, as a JSON object: {"port":4433,"cert_path":"...","workers":2}.
 * cert_path and key_path must be given; port 0, the default here, takes a free port: see krepis_quic_port.
 * "service" ("echo", "perf", "hq" with "service_root") answers streams by one of the built-in services.
 *
 * json: the text, read by length; may be freed as soon as the call has returned.
 * length: bytes, 1 to 1,048,576.
 * Result, Blocks, Threads, Memory: as krepis_quic_start.
 * Errors: as krepis_quic_start, and
 *   KREPIS_INVALID_POINTER: json is null.
 *   KREPIS_INVALID_REQUEST: not a JSON object, or a key is unknown, twice there, of the wrong type or out of
 *     range; the text names it.
 * Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_start_json(const char* json, size_t length) KREPIS_NOEXCEPT;

/* The UDP port that a server listens on.
 *
 * handle: from a start function.
 * Errors: 0 for an unknown handle; krepis_last_error() then says so.
 * Blocks: never. Threads: any. Memory: none. Since: 1.2.0. */
KREPIS_API uint16_t krepis_quic_port(uint64_t handle) KREPIS_NOEXCEPT;

/* What a server is: {"handle":1024,"port":4433,"state":"running","settings":{...}}. state is "running" or
 * "draining"; settings are those in force, with port and workers resolved.
 *
 * handle: from a start function.
 * Errors: KREPIS_INVALID_POINTER: no such server.
 * Blocks: never. Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_info(uint64_t handle) KREPIS_NOEXCEPT;

/* Stops a server as krepis_quic_stop does, with a deadline, and reports what the drain did.
 *
 * handle: from a start function.
 * deadline_ms: milliseconds that open streams may take, 0 to 3,600,000.
 * Result, also with KREPIS_TIMEOUT: JSON {"clean":true,"connections_closed":0,"streams_completed":0,
 *   "streams_cut":0,"bytes_unsent":0,"elapsed_ms":0,"stats":{...}}. stats are the statistics at the end, as
 *   krepis_quic_get_stats gives them while the server runs; left out when there is no memory for them.
 * Errors: as krepis_quic_stop, and
 *   KREPIS_INVALID_REQUEST: deadline_ms is above 3,600,000; the server goes on.
 * Blocks: at most deadline_ms and 0.2 s. Threads: any.
 * Memory: convention 5; ends the life of the start's 8 bytes.
 * Since: 1.2.0. RFC 9000 §10.2. */
KREPIS_API FfiResponse krepis_quic_stop_report(uint64_t handle, uint64_t deadline_ms) KREPIS_NOEXCEPT;

/* The handles of this process's servers, as a JSON array of numbers in no particular order. Servers that are
 * being stopped are among them until their stop returns.
 *
 * Errors: convention 2. Blocks: never. Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_list(void) KREPIS_NOEXCEPT;

/* The open connections of a server, at most 10,000 of them, as a JSON array of objects (docs/statistics.md).
 *
 * handle: from a start function.
 * Errors: KREPIS_INVALID_POINTER: no such server.
 *   KREPIS_TIMEOUT: a worker did not answer within a second.
 * Blocks: while the workers are asked, at most a second; a stop of this server waits for it.
 * Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_connections(uint64_t handle) KREPIS_NOEXCEPT;

/* Statistics of a server as OpenMetrics text, ready for a Prometheus scrape.
 *
 * handle: from a start function. A server that is being stopped still answers.
 * Errors: KREPIS_INVALID_POINTER: no such server.
 * Blocks: never, and never waits for a worker.
 * Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_get_metrics(uint64_t handle) KREPIS_NOEXCEPT;

/* ---- The same, into a struct of the caller ------------------------------------------------------------- */

/* Each does what the function without the suffix does, writes the FfiResponse to *out and returns its
 * error_code; blocking, threads and memory are the same.
 *
 * out: 40 bytes, aligned to 8. It is written only after everything that goes in has been read.
 * Errors: KREPIS_INVALID_POINTER: out is null. KREPIS_MEMORY_ALIGNMENT: out is not aligned. In both cases
 *   nothing was done and nothing written.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_quic_start_into(const FfiQuicConfig* config, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_stop_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_get_stats_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_settings_into(FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_start_json_into(const char* json, size_t length,
                                                FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_info_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_stop_report_into(uint64_t handle, uint64_t deadline_ms,
                                                 FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_list_into(FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_connections_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_get_metrics_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;

/* ---- The data plane -------------------------------------------------------------------------------------
 */

#include <krepis/channel.h>

/* ---- Layout -------------------------------------------------------------------------------------------- */

#ifdef __cplusplus
#define KREPIS_ASSERT_LAYOUT(condition) static_assert(condition, "the layout of the Krepis ABI")
#else
#define KREPIS_ASSERT_LAYOUT(condition) _Static_assert(condition, "the layout of the Krepis ABI")
#endif
KREPIS_ASSERT_LAYOUT(sizeof(void*) == 8);
KREPIS_ASSERT_LAYOUT(sizeof(FfiBuffer) == 32);
KREPIS_ASSERT_LAYOUT(offsetof(FfiBuffer, len) == 8);
KREPIS_ASSERT_LAYOUT(offsetof(FfiBuffer, cap) == 16);
KREPIS_ASSERT_LAYOUT(offsetof(FfiBuffer, reserved) == 24);
KREPIS_ASSERT_LAYOUT(sizeof(FfiResponse) == 40);
KREPIS_ASSERT_LAYOUT(offsetof(FfiResponse, reserved) == 4);
KREPIS_ASSERT_LAYOUT(offsetof(FfiResponse, result_buffer) == 8);
KREPIS_ASSERT_LAYOUT(sizeof(FfiQuicConfig) == 112);
KREPIS_ASSERT_LAYOUT(offsetof(FfiQuicConfig, reserved) == 2);
KREPIS_ASSERT_LAYOUT(offsetof(FfiQuicConfig, max_streams) == 4);
KREPIS_ASSERT_LAYOUT(offsetof(FfiQuicConfig, idle_timeout_ms) == 8);
KREPIS_ASSERT_LAYOUT(offsetof(FfiQuicConfig, host_addr) == 16);
KREPIS_ASSERT_LAYOUT(offsetof(FfiQuicConfig, cert_path) == 48);
KREPIS_ASSERT_LAYOUT(offsetof(FfiQuicConfig, key_path) == 80);
KREPIS_ASSERT_LAYOUT(sizeof(FfiChannelConfig) == 56);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelConfig, ring_records) == 8);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelConfig, queue_bytes) == 12);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelConfig, wake) == 16);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelConfig, wake_path) == 24);
KREPIS_ASSERT_LAYOUT(sizeof(FfiChannelRegion) == 64);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, bytes) == 8);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, ring_offset) == 16);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, ring_stride) == 24);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, arena_offset) == 32);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, arena_bytes) == 40);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, channel) == 48);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, rings) == 52);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, ring_records) == 56);
KREPIS_ASSERT_LAYOUT(offsetof(FfiChannelRegion, wake_fd) == 60);
KREPIS_ASSERT_LAYOUT(sizeof(FfiEvent) == 64);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, connection) == 8);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, stream) == 12);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, offset) == 16);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, length) == 20);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, sequence) == 24);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, value) == 28);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, timestamp_us) == 32);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, stream_id) == 40);
KREPIS_ASSERT_LAYOUT(offsetof(FfiEvent, code) == 48);
#undef KREPIS_ASSERT_LAYOUT

#ifdef __cplusplus
}
#endif

#endif
