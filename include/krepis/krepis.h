/* Krepis KNUL for C, and for every language that can call C: a QUIC server (RFC 9000) inside your program.
 * This header is the whole ABI of libknul.so. C++ programs may prefer krepis.hpp.
 *
 * Eight conventions hold for everything below.
 *  1. A function that can fail returns an FfiResponse whose error_code is 0 or one of the KREPIS_ codes.
 *     After a failure krepis_last_error() returns a text for people, in the same thread. A failed call
 *     changes nothing else.
 *  2. Each of these functions may also return KREPIS_INTERNAL (a defect, or a failure of the system),
 *     KREPIS_OUT_OF_MEMORY, and, in a child made by fork(), KREPIS_INVALID_CONTEXT: the library does nothing
 *     in the child, and the parent's servers go on. No exception and no signal crosses this boundary.
 *  3. Any thread may call any function at any time. No function is async-signal-safe. pthread_cancel takes
 *     effect after the call returns. A function blocks only where its comment says so.
 *  4. Text goes in by length and needs no NUL; one NUL as the last counted byte is ignored. The library
 *     copies all input before the call returns.
 *  5. Text comes out in result_buffer as UTF-8, followed by a NUL that `len` does not count. It belongs to
 *     the calling thread and is valid until that thread's next call that returns a buffer, or until the
 *     thread ends. Only the result of the start functions lives longer. The library owns all results: do
 *     not write to them, do not free them.
 *  6. A handle names a server. It is never 0, never reused, and below 2^53, so that a double holds it.
 *  7. Every function that returns an FfiResponse has a form with the suffix _into, for callers that cannot
 *     receive a struct by value.
 *  8. Later versions never change the meaning or layout of anything here; they only add.
 *     krepis_abi_version() returns the version of the loaded library.
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

/* Bytes that go in or come out. Since 1.1.0. */
typedef struct FfiBuffer {
  const uint8_t* data;
  uint64_t len;      /* bytes in use */
  uint64_t cap;      /* bytes allocated at data, at least len */
  uint64_t reserved; /* 0 */
} FfiBuffer;

/* The return value of most functions. Since 1.1.0. */
typedef struct FfiResponse {
  uint32_t error_code;     /* KrepisError */
  uint32_t reserved;       /* 0 */
  FfiBuffer result_buffer; /* all zero when there is no result */
} FfiResponse;

/* Input of krepis_quic_start; krepis_quic_start_json accepts every other setting too. Since 1.1.0. */
typedef struct FfiQuicConfig {
  uint16_t port;            /* UDP, 1 to 65535 */
  uint16_t reserved;        /* not read */
  uint32_t max_streams;     /* concurrent client-opened bidirectional streams per connection, at least 1 */
  uint64_t idle_timeout_ms; /* at least 1,000; above 86,400,000 (a day): a day */
  FfiBuffer host_addr;      /* numeric IPv4 or IPv6 address, or "localhost" (127.0.0.1); 1 to 255 bytes */
  FfiBuffer cert_path;      /* PEM file of the certificate chain, leaf first; 1 to 4,096 bytes */
  FfiBuffer key_path;       /* PEM file of the leaf's private key, not encrypted; 1 to 4,096 bytes */
} FfiQuicConfig;

/* ---- The frozen three ---------------------------------------------------------------------------------- */

/* Starts a server: binds the address, starts the worker threads, returns when packets are being received.
 * It completes handshakes for ALPN "knul" and refuses streams (code 0x4b4e5501) until krepis_channel_open
 * gives it a consumer.
 *
 * config: the settings; may be freed or changed after the call returns.
 * Result: 8 bytes, the handle as a uint64_t in the machine's byte order.
 * Errors: KREPIS_INVALID_POINTER: config is null.
 *   KREPIS_MEMORY_ALIGNMENT: config is not aligned to 8 bytes; the call reads nothing.
 *   KREPIS_INVALID_REQUEST: port or max_streams is 0, idle_timeout_ms is below 1,000, host_addr is not an
 *     address, or a text is empty, too long, contains a NUL before its end, has null data or cap below len.
 *   KREPIS_INTERNAL: a certificate or key file is unreadable, not PEM or encrypted, the key does not match
 *     the certificate, the chain is not in order, or clients cannot accept the certificate: it is not valid
 *     yet, is not for servers, or has a key that TLS 1.3 cannot sign with (docs/settings.md).
 *   KREPIS_NETWORK_ERROR: the port is in use or not permitted, or the address is not this machine's.
 *   KREPIS_QUOTA_EXCEEDED: no file descriptors or threads left.
 *   KREPIS_CONCURRENCY_LIMIT_EXCEEDED: the process has 1,024 servers.
 *   After an error no socket, thread or memory is left behind.
 * Blocks: to read files, check keys and start threads, well under a second. Never asks for a password.
 * Threads: any.
 * Memory: the library owns the 8 bytes; they are valid until the stop of that handle returns.
 * Since: 1.1.0. RFC 9000, RFC 9001. */
KREPIS_API FfiResponse krepis_quic_start(const FfiQuicConfig* config) KREPIS_NOEXCEPT;

/* Drains and stops a server. The server refuses new connections and streams, closes idle connections, lets
 * open streams finish for the setting drain_timeout_ms (default 5 s), and then closes the rest.
 *
 * handle: from a start function.
 * Result: none.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server, or another call already stops that
 *     server: of concurrent stops exactly one stops it.
 *   KREPIS_TIMEOUT: streams were cut (deadline, program, or short memory); the server has stopped anyway.
 * Blocks: at most the deadline plus 0.2 s for the last packets; with qlog_folder 2 s more, if the file
 *   system is slow. When it returns, the threads, sockets and memory of the server are released and the port
 *   is free; the thread of a qlog_folder that does not answer may remain.
 * Threads: any.
 * Memory: invalidates the 8 bytes of the start.
 * Since: 1.1.0. RFC 9000 §10.2. */
KREPIS_API FfiResponse krepis_quic_stop(uint64_t handle) KREPIS_NOEXCEPT;

/* Statistics of a server as one flat JSON object; docs/statistics.md lists the names.
 *
 * handle: from a start function. A server that is stopping still answers.
 * Result: JSON with at least total_requests, active_connections, total_bytes_in, total_bytes_out,
 *   avg_latency_ms, error_count, uptime_ms.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server.
 * Blocks: never, and does not wait for a worker.
 * Threads: any.
 * Memory: convention 5.
 * Since: 1.1.0. */
KREPIS_API FfiResponse krepis_quic_get_stats(uint64_t handle) KREPIS_NOEXCEPT;

/* ---- The library --------------------------------------------------------------------------------------- */

/* The ABI version of the loaded library: major << 16 | minor << 8 | patch.
 * Versions with an equal major are compatible.
 *
 * Errors: none; also works after fork(). Blocks: never. Threads: any. Memory: none. Since: 1.2.0. */
KREPIS_API uint32_t krepis_abi_version(void) KREPIS_NOEXCEPT;

/* The version of the library, "major.minor.patch".
 *
 * Errors: none; also works after fork(). Blocks: never. Threads: any.
 * Memory: constant, valid for the life of the process. Since: 1.2.0. */
KREPIS_API const char* krepis_version(void) KREPIS_NOEXCEPT;

/* The name of a code, such as "InvalidRequest", or "Reserved" for a number outside KrepisError.
 *
 * error_code: as in FfiResponse.
 * Errors: none; also works after fork(). Blocks: never. Threads: any.
 * Memory: constant, valid for the life of the process. Since: 1.2.0. */
KREPIS_API const char* krepis_error_name(uint32_t error_code) KREPIS_NOEXCEPT;

/* Why this thread's most recent failed call failed: the field, its value, and the expected value. "" when no
 * call of this thread has failed; a successful call does not change it. At most 1,023 bytes of UTF-8.
 *
 * Errors: none; also works after fork(). Blocks: never. Threads: any; each has its own text.
 * Memory: NUL-terminated, valid until this thread's next failed call, or the thread's end. Since: 1.2.0. */
KREPIS_API const char* krepis_last_error(void) KREPIS_NOEXCEPT;

/* Describes every setting of krepis_quic_start_json; docs/settings.md has the same list.
 *
 * Result: JSON array of objects with name, type ("string", "integer", "boolean", "list of strings"), default
 *   and doc, and where they apply min, max, values and unit.
 * Errors: convention 2. Blocks: never. Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_settings(void) KREPIS_NOEXCEPT;

/* ---- Servers ------------------------------------------------------------------------------------------- */

/* Starts a server with settings given as a JSON object: {"port":4433,"cert_path":"...","workers":2}.
 * Required: cert_path or cert_pem, key_path or key_pem. Port 0, the default, selects a free port.
 * With "service" ("echo", "perf", or "hq" and "service_root") a built-in service answers the streams.
 *
 * json: the text, read by length; may be freed after the call returns.
 * length: bytes, 1 to 1,048,576.
 * Result, Blocks, Threads, Memory: as krepis_quic_start.
 * Errors: as krepis_quic_start, and
 *   KREPIS_INVALID_POINTER: json is null.
 *   KREPIS_INVALID_REQUEST: not a JSON object, or a key is unknown, duplicate, of the wrong type or out of
 *     range; the text names the key.
 * Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_start_json(const char* json, size_t length) KREPIS_NOEXCEPT;

/* Checks the settings of krepis_quic_start_json: each value, the certificates with their keys, and whether
 * key_log_path and qlog_folder can be written. Opens no socket, creates no file and starts no thread.
 *
 * json, length: as krepis_quic_start_json.
 * Result: none.
 * Errors: as krepis_quic_start_json, except those of sockets, threads and the number of servers.
 * Blocks: to read files and check keys. Threads: any. Memory: none. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_check_json(const char* json, size_t length) KREPIS_NOEXCEPT;

/* The UDP port that a server listens on.
 *
 * handle: from a start function.
 * Errors: returns 0 when the handle does not name a server; krepis_last_error() then says so.
 * Blocks: never. Threads: any. Memory: none. Since: 1.2.0. */
KREPIS_API uint16_t krepis_quic_port(uint64_t handle) KREPIS_NOEXCEPT;

/* Describes a server.
 *
 * handle: from a start function.
 * Result: JSON {"handle":1024,"port":4433,"state":"running","settings":{...}}. state is "running" or
 *   "draining"; settings are the values that the server uses, with port and workers resolved; key_pem is
 *   "(not shown)" if it was given.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server.
 * Blocks: never. Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_info(uint64_t handle) KREPIS_NOEXCEPT;

/* Stops a server as krepis_quic_stop does, with a deadline, and returns a report.
 *
 * handle: from a start function.
 * deadline_ms: how long open streams may take to finish, 0 to 3,600,000 ms.
 * Result, also with KREPIS_TIMEOUT: JSON {"clean":true,"connections_closed":0,"streams_completed":0,
 *   "streams_cut":0,"bytes_unsent":0,"elapsed_ms":0,"stats":{...}}. stats has the last
 *   statistics, as in krepis_quic_get_stats; it is missing when there is no memory for it.
 * Errors: as krepis_quic_stop, and
 *   KREPIS_INVALID_REQUEST: deadline_ms is above 3,600,000; the server goes on.
 * Blocks: as krepis_quic_stop. Threads: any.
 * Memory: convention 5; invalidates the 8 bytes of the start.
 * Since: 1.2.0. RFC 9000 §10.2. */
KREPIS_API FfiResponse krepis_quic_stop_report(uint64_t handle, uint64_t deadline_ms) KREPIS_NOEXCEPT;

/* Reads the files of a server again (cert_path, key_path, sni_cert_paths, sni_key_paths, client_ca_path),
 * checks them as the start does, and replaces all certificates in one step. Handshakes that start after the
 * return use the new ones; handshakes and connections that have begun go on unchanged. Clients still resume
 * their sessions, unless a DNS name has gone from the certificates: then they make full handshakes. The
 * statistics certificate_* show the result. The setting watch_certificates calls for a reload by itself.
 *
 * handle: from a start function.
 * Result: none.
 * Errors: after each the present certificates stay in use; the error is counted and logged.
 *   KREPIS_INVALID_POINTER: the handle does not name a server.
 *   KREPIS_INTERNAL: a file is unusable; as krepis_quic_start.
 *   KREPIS_INVALID_CONTEXT: the server is stopping, or has no such file, only texts.
 *   KREPIS_QUOTA_EXCEEDED: no file descriptors left.
 * Blocks: to read files and check keys, well under a second, and for another reload of this server. A stop of
 *   this server waits for this call.
 * Threads: any. Memory: none. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_reload(uint64_t handle) KREPIS_NOEXCEPT;

/* The handles of this process's servers, as a JSON array of numbers in no particular order. A server that is
 * stopping is in the list until its stop returns.
 *
 * Errors: convention 2. Blocks: never. Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_list(void) KREPIS_NOEXCEPT;

/* The open connections of a server, at most 10,000, as a JSON array of objects in the order of their IDs
 * (docs/statistics.md).
 *
 * handle: from a start function.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server.
 *   KREPIS_TIMEOUT: a worker did not answer within a second.
 * Blocks: until the workers answer, at most a second. A stop of this server waits for this call.
 * Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_connections(uint64_t handle) KREPIS_NOEXCEPT;

/* A page of the open connections of a server that a query selects.
 *
 * handle: from a start function.
 * query: a JSON object, or null with length 0 for the defaults. Keys, all optional:
 *   sort: the name of a number in a row that orders the page, docs/statistics.md; default "id".
 *   descending: true or false; default false.
 *   limit: rows of the page, 1 to 10,000; default 100.
 *   after: "next" of the page before, with the same sort and filters.
 *   peer: the beginning of "address:port". alpn: the protocol.
 *   state: "handshaking", "active" or "hibernating".
 *   May be freed after the call returns.
 * length: bytes, 0 to 4,096.
 * Result: JSON {"connections":[...],"matches":2,"next":null}. connections has the rows, docs/statistics.md;
 *   matches counts the connections that pass the filters, on all pages; next is null on the last page. A
 *   connection that opens, closes or changes between two pages may be missing or be on both.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server, or query is null and length is not 0.
 *   KREPIS_INVALID_REQUEST: length is above 4,096, the text is not a JSON object, or a key is unknown or has
 *     a wrong value; the text names the key.
 *   KREPIS_TIMEOUT: a worker did not answer within a second.
 * Blocks: until the workers answer, at most a second. Each worker answers in parts of a fraction of a
 *   millisecond and serves its connections between them. A stop of this server waits for this call.
 * Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_connections_json(uint64_t handle, const char* query,
                                                    size_t length) KREPIS_NOEXCEPT;

/* Statistics of a server as OpenMetrics text, ready for a Prometheus scrape.
 *
 * handle: from a start function. A server that is stopping still answers.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server.
 * Blocks: never, and does not wait for a worker.
 * Threads: any. Memory: convention 5. Since: 1.2.0. */
KREPIS_API FfiResponse krepis_quic_get_metrics(uint64_t handle) KREPIS_NOEXCEPT;

/* ---- The same functions, into a struct of the caller --------------------------------------------------- */

/* Each function works like the one without the suffix, writes the FfiResponse to *out and returns its
 * error_code; blocking, threads and memory are the same.
 *
 * out: 40 bytes, aligned to 8; written only after all input has been read.
 * Errors: KREPIS_INVALID_POINTER: out is null. KREPIS_MEMORY_ALIGNMENT: out is not aligned. In both cases
 *   the call does nothing and writes nothing.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_quic_start_into(const FfiQuicConfig* config, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_stop_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_get_stats_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_settings_into(FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_start_json_into(const char* json, size_t length,
                                                FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_check_json_into(const char* json, size_t length,
                                                FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_info_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_stop_report_into(uint64_t handle, uint64_t deadline_ms,
                                                 FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_reload_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_list_into(FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_connections_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_connections_json_into(uint64_t handle, const char* query, size_t length,
                                                      FfiResponse* out) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_quic_get_metrics_into(uint64_t handle, FfiResponse* out) KREPIS_NOEXCEPT;

/* ---- The data plane ------------------------------------------------------------------------------------ */

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
