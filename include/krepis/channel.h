/* The data plane: channels. A channel connects one consumer of the program (a thread, a JavaScript isolate)
 * to one server. Events and received bytes come through shared memory; the program sends by calls. Included
 * by krepis.h. Since ABI 1.2.0.
 *
 * Conventions, in addition to those of krepis.h:
 *  1. uint32_t handles from 1 to 2^31 - 1 name channels, connections and streams. A handle holds a slot and a
 *     generation: a stale handle gives KREPIS_INVALID_POINTER. Handles of connections and streams are valid
 *     in their channel only.
 *  2. A function returns a KrepisError (uint32_t), or an int32_t: a number from 0 up, or a negated
 *     KrepisError. Hot functions take no 64-bit integer, because JavaScript passes those slowly.
 *  3. Any thread may call any function. Calls on one channel take turns (one short lock). Nothing here blocks
 *     except krepis_channel_wait. No thread may call a function while it is inside krepis_channel_wait.
 *  4. A connection belongs to one channel. When its handshake completes, the server's open channels take
 *     turns; a channel whose events were not read for a second is skipped while another keeps up. Until the
 *     first channel opens, the server keeps connections and refuses their streams with
 *     KREPIS_CODE_NO_CONSUMER. After the last one closes, it closes new connections with the same code.
 *
 * The region is one mapping: FfiChannelRegion holds its offsets. Each worker of the server has an event ring:
 * a header of 256 bytes (u32 tail @0, written by the library; u32 head @64, written by the program; both
 * count records and wrap at 2^32) and ring_records records of 64 bytes (FfiEvent) from @256 on.
 * Record number n lies at index n modulo ring_records.
 *
 * To consume a ring, load tail (acquire), read the records from head to tail, and store head (release). When
 * all rings are empty, call krepis_channel_arm; if it returns 0, sleep until the wake descriptor is readable.
 * The bytes of an event stay in place until krepis_channel_release gets their offset. Release returns
 * flow-control credit to the peer (RFC 9000 §4): a program that does not release slows down its own peers
 * only.
 *
 * The program writes only the head of each ring. A head that is not between the former head and the tail
 * closes the channel with KREPIS_EVENT_CHANNEL_CLOSED (code 1001). The library reads nothing else in the
 * region, so other bytes that the program overwrites affect the program only.
 *
 * Dead consumers: a thread or isolate may end without krepis_channel_close. The library closes the channel
 *  - when events wait for consumer_timeout_ms while the program neither moves a head nor calls a function of
 *    the channel (functions that end in _info_into do not count), or
 *  - when the program's end of the wake socket is closed.
 * The library then closes the channel's connections with KREPIS_CODE_CONSUMER_GONE and gives new ones to the
 * other channels. A program that resumes finds KREPIS_EVENT_CHANNEL_CLOSED behind the events in the rings.
 * While the server drains, only the drain's deadline applies.
 */
/* Outside of the guard: krepis.h includes this file, so whichever is included first, both are complete. */
#include <krepis/krepis.h>

#ifndef KREPIS_CHANNEL_H
#define KREPIS_CHANNEL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Application error codes (RFC 9000 §20.2) that the library itself sends. */
#define KREPIS_CODE_NO_CONSUMER 0x4b4e5501u       /* stream or connection: no consumer accepts it */
#define KREPIS_CODE_DRAINING 0x4b4e5502u          /* stream: opened after the drain began */
#define KREPIS_CODE_DEADLINE 0x4b4e5503u          /* connection: the drain's deadline passed */
#define KREPIS_CODE_APPLICATION_ERROR 0x4b4e5504u /* stream or connection: the program's handler failed */
#define KREPIS_CODE_CONSUMER_GONE 0x4b4e5505u     /* connection: its channel or its consumer is gone */
#define KREPIS_CODE_OVERLOADED 0x4b4e5506u        /* connection: no room in its channel */
#define KREPIS_CODE_NO_PROGRESS 0x4b4e5507u       /* connection: stalled while a shared limit was reached */

/* How the library wakes a sleeping program. */
typedef enum KrepisWake {
  KREPIS_WAKE_NONE = 0, /* no wake-up: the program calls krepis_channel_wait */
  /* A byte on a socket pair. The program owns its end, wake_fd, and closes it when it is done: that also
   * closes an open channel. */
  KREPIS_WAKE_SOCKET = 1,
  KREPIS_WAKE_PATH = 2 /* a byte on a UNIX stream socket that listens at wake_path, for one connection */
} KrepisWake;

/* Value of consumer_timeout_ms: no timeout, for example while a debugger halts the program. */
#define KREPIS_CONSUMER_TIMEOUT_NEVER 0xffffffffu

/* Input of krepis_channel_open. 0 selects the default. */
typedef struct FfiChannelConfig {
  /* Received bytes that are not yet released, for all workers together; 1 MiB to 2 GiB, default 64 MiB. */
  uint64_t arena_bytes;
  /* Records in each worker's event ring; a power of two, 64 to 1,048,576, default 4,096. */
  uint32_t ring_records;
  /* Bytes that krepis_stream_write accepts for one stream before the connection's send buffer takes them;
   * 4 KiB to 256 MiB, default 1 MiB. A write accepts fewer while the connection holds many bytes for its
   * congestion window: docs/channel.md. */
  uint32_t queue_bytes;
  uint32_t wake; /* KrepisWake */
  /* See "Dead consumers"; 500 to 3,600,000, default 10,000, or KREPIS_CONSUMER_TIMEOUT_NEVER. */
  uint32_t consumer_timeout_ms;
  /* KREPIS_WAKE_PATH: where to listen, 1 to 107 bytes, must not exist. Otherwise all zero. */
  FfiBuffer wake_path;
} FfiChannelConfig;

/* Result of krepis_channel_open. */
typedef struct FfiChannelRegion {
  uint8_t* base;         /* start of the mapping */
  uint64_t bytes;        /* size of the mapping */
  uint64_t ring_offset;  /* of the first ring, from base */
  uint64_t ring_stride;  /* bytes from one ring to the next */
  uint64_t arena_offset; /* from base */
  /* At least the requested size: an equal number of 32 KiB blocks for each worker, at least four, and one
   * block for the report of the stop. */
  uint64_t arena_bytes;
  uint32_t channel;      /* the handle */
  uint32_t rings;        /* one for each worker */
  uint32_t ring_records; /* of each ring */
  int32_t wake_fd;       /* KREPIS_WAKE_SOCKET: the program's end, non-blocking. Otherwise -1 */
} FfiChannelRegion;

/* Event types, each with the FfiEvent fields that it uses beside handles and time. */
typedef enum KrepisEventType {
  /* The handshake is complete. bytes: JSON {"id":1,"peer":"192.0.2.1:4433","alpn":"knul","server_name":""},
   * and with a client certificate "peer_certificate" (docs/abi.md); to be released like all bytes; length 0
   * when the arena had no room for them. */
  KREPIS_EVENT_CONNECTION_OPENED = 1,
  /* flags: KrepisCloseSource; code; bytes: the reason. The handles of the connection and of its streams are
   * invalid from here on. */
  KREPIS_EVENT_CONNECTION_CLOSED = 2,
  KREPIS_EVENT_STREAM_DATA = 3,     /* bytes: the next bytes in order; may be empty with a flag */
  KREPIS_EVENT_STREAM_RESET = 4,    /* the peer's RESET_STREAM: code; no more bytes follow */
  KREPIS_EVENT_STOP_SENDING = 5,    /* the peer's STOP_SENDING: code; nothing more can be sent */
  KREPIS_EVENT_STREAM_WRITABLE = 6, /* follows a write that accepted too little; value: bytes accepted now */
  KREPIS_EVENT_STREAM_OPENED = 7,   /* a stream of krepis_stream_open has its stream_id */
  /* Both directions have ended, all sent bytes are acknowledged and all received bytes released. The handle
   * is invalid from here on. */
  KREPIS_EVENT_STREAM_CLOSED = 8,
  KREPIS_EVENT_DATAGRAM = 9,           /* bytes: of one DATAGRAM (RFC 9221) */
  KREPIS_EVENT_DATAGRAM_WRITABLE = 10, /* after a krepis_datagram_send that would have blocked */
  KREPIS_EVENT_DATAGRAM_FATE = 11,     /* value: context of the send; flags: KrepisDatagramFate */
  KREPIS_EVENT_DRAINING = 12,          /* the server drains; value: milliseconds left. Once per channel */
  /* The last event of the channel; other rings may still hold earlier events. code: KrepisError of the stop;
   * bytes: its report as JSON. */
  KREPIS_EVENT_SERVER_STOPPED = 13,
  /* The library closed the channel; no event follows. code: 1001: the program stored an invalid head; 2000:
   * it read no events for consumer_timeout_ms; 5001: wake_fd was closed. */
  KREPIS_EVENT_CHANNEL_CLOSED = 14,
  /* A message of the library's log, see krepis_channel_log. flags: KrepisLogLevel; bytes: JSON {"time":
   * "2026-01-31T12:00:00.000Z","level":"warning","subsystem":"quic","kind":"","message":""}, and "omitted" if
   * earlier messages of the kind were left out; length 0 when the arena had no room for them, which counts in
   * log_messages_dropped. */
  KREPIS_EVENT_LOG = 15
} KrepisEventType;

/* Flags of stream events. */
#define KREPIS_FLAG_OPENED 1u /* first event, of any type, of a stream that the peer opened */
#define KREPIS_FLAG_FIN 2u    /* the last bytes of the stream */
#define KREPIS_FLAG_CLEAN 4u  /* STREAM_CLOSED: neither side had reset or stopped it */

/* Flags of CONNECTION_CLOSED: who ended the connection. */
typedef enum KrepisCloseSource {
  KREPIS_CLOSED_PEER_APPLICATION = 0,
  KREPIS_CLOSED_PEER_TRANSPORT = 1,
  KREPIS_CLOSED_LOCAL_APPLICATION = 2,
  KREPIS_CLOSED_LOCAL_TRANSPORT = 3,
  KREPIS_CLOSED_IDLE_TIMEOUT = 4,
  KREPIS_CLOSED_HANDSHAKE_TIMEOUT = 5,
  KREPIS_CLOSED_STATELESS_RESET = 6,
  KREPIS_CLOSED_DRAIN = 7
} KrepisCloseSource;

/* Flags of LOG. */
typedef enum KrepisLogLevel {
  KREPIS_LOG_TRACE = 0,
  KREPIS_LOG_DEBUG = 1,
  KREPIS_LOG_INFO = 2,
  KREPIS_LOG_WARNING = 3,
  KREPIS_LOG_ERROR = 4
} KrepisLogLevel;

typedef enum KrepisDatagramFate {
  KREPIS_DATAGRAM_ACKNOWLEDGED = 1,
  KREPIS_DATAGRAM_LOST = 2,   /* declared lost (RFC 9002 §6.1); it may still have arrived */
  KREPIS_DATAGRAM_DROPPED = 3 /* dropped by the policy before it was sent */
} KrepisDatagramFate;

/* One record of an event ring. */
typedef struct FfiEvent {
  uint32_t type; /* KrepisEventType */
  uint32_t flags;
  uint32_t connection; /* handle; 0 for an event without a connection */
  uint32_t stream;     /* handle; 0 for an event without a stream */
  uint32_t offset;     /* of the bytes, from the start of the arena, a multiple of 64; none with length 0 */
  uint32_t length;     /* bytes; above 0 the program must release the offset once */
  uint32_t sequence;   /* number of the record */
  uint32_t value;
  double timestamp_us; /* CLOCK_MONOTONIC, when the worker noticed the event */
  double stream_id;    /* RFC 9000 §2.1; -1 without a stream, or while the ID is unknown */
  uint64_t code;       /* RFC 9000 §20: application or transport error code, or a KrepisError */
  uint64_t reserved;   /* 0 */
} FfiEvent;

/* Opens a channel. All workers of the server use it when the call returns.
 *
 * handle: a running server without a built-in service.
 * config: null for the defaults.
 * region: filled on success, unchanged otherwise.
 * Errors: KREPIS_INVALID_POINTER: region is null, or the handle does not name a server.
 *   KREPIS_MEMORY_ALIGNMENT: config or region is not aligned to 8 bytes.
 *   KREPIS_INVALID_REQUEST: a value is out of range, wake_path exists or cannot be bound, or the server runs
 *     a built-in service.
 *   KREPIS_INVALID_CONTEXT: the server drains.
 *   KREPIS_CONCURRENCY_LIMIT_EXCEEDED: 64 channels of this server, or 1,024 of this process, are open.
 *   KREPIS_QUOTA_EXCEEDED: no file descriptors left. KREPIS_OUT_OF_MEMORY: no memory to map.
 *   KREPIS_TIMEOUT: a worker did not answer within a second.
 *   After an error nothing is left behind.
 * Blocks: until the workers answer; microseconds, at most a second. Threads: any.
 * Memory: the region stays mapped until krepis_channel_unmap, also after the channel and server end.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_open(uint64_t handle, const FfiChannelConfig* config,
                                        FfiChannelRegion* region) KREPIS_NOEXCEPT;

/* Arms the wake descriptor before the program sleeps: the next event writes one byte to it.
 *
 * Returns: 0: armed, the program may sleep. 1: events wait already; nothing was armed, do not sleep.
 *   -KREPIS_INVALID_POINTER: the handle does not name a channel.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API int32_t krepis_channel_arm(uint32_t channel) KREPIS_NOEXCEPT;

/* Waits for an event. For programs with a thread for this; works with every KrepisWake.
 *
 * timeout_ms: longest wait; 0 only checks.
 * Returns: 1: events wait. 0: the timeout passed.
 *   -KREPIS_INVALID_POINTER: the handle does not name a channel.
 *   -KREPIS_INVALID_CONTEXT: the channel was closed or unmapped during the wait.
 * Blocks: up to timeout_ms. Threads: any, one at a time. Since: 1.2.0. */
KREPIS_API int32_t krepis_channel_wait(uint32_t channel, uint32_t timeout_ms) KREPIS_NOEXCEPT;

/* Releases the bytes of events: the library may overwrite them, and the peer gets credit for them.
 *
 * offsets: `count` values of the field `offset` of events with length above 0, each once.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a channel, or offsets is null with count above 0.
 *   KREPIS_INVALID_REQUEST: an offset does not name an unreleased event; the other events were released.
 * Works on a closed channel until krepis_channel_unmap. Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_release(uint32_t channel, const uint32_t* offsets,
                                           uint32_t count) KREPIS_NOEXCEPT;

/* Tells the workers of all calls with KREPIS_WRITE_LATER. Cheap when there were none.
 *
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a channel.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_flush(uint32_t channel) KREPIS_NOEXCEPT;

/* Figures of the channel.
 *
 * Result: JSON {"connections":0,"streams":0,"events":0,"backlog_events":0,"arena_blocks_used":0,
 *   "arena_blocks":0,"parked_bytes":0,"queued_bytes":0,"wakeups":0,"datagrams_dropped":0}.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a channel.
 * Blocks: never. Threads: any. Memory: convention 5 of krepis.h. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_info_into(uint32_t channel, FfiResponse* out) KREPIS_NOEXCEPT;

/* Begins or ends the delivery of the library's log to the channel, as KREPIS_EVENT_LOG. The log is that of
 * the process: its messages may be about any server, and each channel that asks gets each of them. The
 * environment variable KNUL_LOG selects them. A message that no channel takes goes to standard error: there
 * is no such channel, or its ring is full because the program reads too slowly. Replaces the handler of
 * krepis::set_log_handler; that function in turn ends the delivery to all channels, until each asks again. A
 * message in delivery may still arrive after the return of a call with enabled 0.
 *
 * enabled: 1 or 0.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name an open channel.
 *   KREPIS_INVALID_REQUEST: enabled is neither 0 nor 1.
 * Blocks: while a handler of krepis::set_log_handler runs. Threads: any, except inside of such a handler.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_log(uint32_t channel, uint32_t enabled) KREPIS_NOEXCEPT;

/* Closes a channel and its connections (KREPIS_CODE_CONSUMER_GONE); no event follows. The region stays
 * mapped, so that views of it stay valid. The handle stays valid for krepis_channel_release and
 * krepis_channel_unmap only.
 *
 * Errors: KREPIS_INVALID_POINTER: the handle does not name an open channel.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_close(uint32_t channel) KREPIS_NOEXCEPT;

/* Unmaps the region and invalidates the handle. The program must have no view of the region any more.
 *
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a channel.
 *   KREPIS_INVALID_CONTEXT: the channel is open and its server has not stopped.
 * Blocks: until other calls on the channel have returned. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_unmap(uint32_t channel) KREPIS_NOEXCEPT;

/* Flags of krepis_stream_write. */
#define KREPIS_WRITE_FIN 1u   /* ends the stream; accepted together with the last of the bytes only */
#define KREPIS_WRITE_LATER 2u /* tells the worker at krepis_channel_flush or the next call without it */

/* Sends bytes on a stream; copies the bytes that it accepts.
 *
 * data: `length` bytes; may be null with length 0. length: 0 to 2^30.
 * Returns: bytes accepted, 0 to length. When it accepts fewer than length, because the queue of the stream or
 *   of its connection is full, KREPIS_EVENT_STREAM_WRITABLE follows when there is room. Length 0 with
 *   KREPIS_WRITE_FIN sends a FIN alone.
 *   -KREPIS_INVALID_POINTER: a handle does not name a channel or stream, or data is null.
 *   -KREPIS_INVALID_REQUEST: unknown flags, length above 2^30, or a receive-only stream.
 *   -KREPIS_INVALID_CONTEXT: the sending side has ended: by a FIN, or by a reset of either side.
 *   -KREPIS_OUT_OF_MEMORY.
 * Blocks: never. Threads: any. Memory: data may be changed after the call returns. Since: 1.2.0. */
KREPIS_API int32_t krepis_stream_write(uint32_t channel, uint32_t stream, const uint8_t* data,
                                       uint32_t length, uint32_t flags) KREPIS_NOEXCEPT;

/* Opens a stream. The program may write to it at once. When the peer's stream limit allows (RFC 9000 §4.6),
 * the stream gets its stream_id (KREPIS_EVENT_STREAM_OPENED) and its bytes are sent.
 *
 * unidirectional: 1, or 0 for bidirectional.
 * Returns: the stream's handle.
 *   -KREPIS_INVALID_POINTER: a handle does not name a channel or connection.
 *   -KREPIS_INVALID_REQUEST: unidirectional is neither 0 nor 1.
 *   -KREPIS_CONCURRENCY_LIMIT_EXCEEDED: 1,024 streams of this connection wait for the peer's limit, or the
 *     channel has 2^20 connections and streams.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API int32_t krepis_stream_open(uint32_t channel, uint32_t connection,
                                      uint32_t unidirectional) KREPIS_NOEXCEPT;

/* reset: ends the sending side with RESET_STREAM (RFC 9000 §19.4) and discards queued bytes.
 * stop_sending: ends the receiving side with STOP_SENDING (§19.5) and discards undelivered bytes.
 * No effect after that side has ended; the first code counts.
 *
 * code: 0 to 2^62 - 1.
 * Errors: KREPIS_INVALID_POINTER: a handle does not name a channel or stream.
 *   KREPIS_INVALID_REQUEST: code is out of range, or the stream does not have that side.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_stream_reset(uint32_t channel, uint32_t stream, uint64_t code) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_stream_stop_sending(uint32_t channel, uint32_t stream,
                                               uint64_t code) KREPIS_NOEXCEPT;

/* Sets the order in which the streams of one connection send (as in RFC 9218 §4): lower urgency first;
 * streams of equal urgency take turns if incremental, otherwise one completes before the next.
 *
 * urgency: 0 to 7, initially 3. incremental: 0 or 1, initially 1.
 * Errors: KREPIS_INVALID_POINTER: a handle does not name a channel or stream.
 *   KREPIS_INVALID_REQUEST: a value is out of range.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_stream_priority(uint32_t channel, uint32_t stream, uint32_t urgency,
                                           uint32_t incremental) KREPIS_NOEXCEPT;

/* Describes a stream.
 *
 * Result: JSON {"stream_id":0,"connection":1,"direction":"bidirectional","opened_by":"peer",
 *   "queued_bytes":0}. stream_id is null while the stream waits for the peer's limit.
 * Errors: KREPIS_INVALID_POINTER: a handle does not name a channel or stream.
 * Blocks: never. Threads: any. Memory: convention 5 of krepis.h. Since: 1.2.0. */
KREPIS_API uint32_t krepis_stream_info_into(uint32_t channel, uint32_t stream,
                                            FfiResponse* out) KREPIS_NOEXCEPT;

/* What krepis_datagram_send does when the connection's queue of unsent datagrams (setting datagram_queue) is
 * full. */
typedef enum KrepisDatagramPolicy {
  KREPIS_DATAGRAM_BLOCK = 0,       /* does not accept the datagram; KREPIS_EVENT_DATAGRAM_WRITABLE follows */
  KREPIS_DATAGRAM_DROP_OLDEST = 1, /* drops the oldest datagram of the queue */
  KREPIS_DATAGRAM_DROP_NEWEST = 2  /* drops the new datagram */
} KrepisDatagramPolicy;
#define KREPIS_DATAGRAM_REPORT_FATE 0x100u /* or-ed to the policy: KREPIS_EVENT_DATAGRAM_FATE follows */

/* Sends a DATAGRAM (RFC 9221); copies it.
 *
 * length: 1 to "max_datagram_bytes" of krepis_connection_info_into.
 * policy: a KrepisDatagramPolicy and flags.
 * expires_ms: the library drops the datagram if it is not sent within this time; 0: never.
 * context: value of the event that reports the fate.
 * Returns: 1: accepted. 0: the queue is full, or the policy dropped it.
 *   -KREPIS_INVALID_POINTER: a handle does not name a channel or connection, or data is null.
 *   -KREPIS_INVALID_REQUEST: length or policy is out of range, or the peer does not accept datagrams.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API int32_t krepis_datagram_send(uint32_t channel, uint32_t connection, const uint8_t* data,
                                        uint32_t length, uint32_t policy, uint32_t expires_ms,
                                        uint32_t context) KREPIS_NOEXCEPT;

/* Closes a connection with an application code (RFC 9000 §10.2) and discards buffered data.
 * KREPIS_EVENT_CONNECTION_CLOSED follows.
 *
 * code: 0 to 2^62 - 1.
 * reason: `reason_length` bytes of UTF-8, at most 1,024; the peer gets the first 256. May be null with 0.
 * Errors: KREPIS_INVALID_POINTER: a handle does not name a channel or connection, or reason is null.
 *   KREPIS_INVALID_REQUEST: code or reason_length is out of range.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_connection_close(uint32_t channel, uint32_t connection, uint64_t code,
                                            const char* reason, uint32_t reason_length) KREPIS_NOEXCEPT;

/* Describes a connection. Works until the program's head has passed CONNECTION_CLOSED, so a connection whose
 * end the program has not read never gives an error.
 *
 * Result: JSON {"id":1,"peer":"127.0.0.1:4433","alpn":"knul","server_name":"","smoothed_rtt_us":0,
 *   "min_rtt_us":0,"congestion_window_bytes":0,"bytes_in_flight":0,"bytes_received":0,"bytes_sent":0,
 *   "streams_active":0,"max_datagram_bytes":0}, and with a client certificate "peer_certificate"
 *   (docs/abi.md). The figures are at most 100 ms older than the connection's last event.
 * Errors: KREPIS_INVALID_POINTER: a handle does not name a channel or connection.
 * Blocks: never. Threads: any. Memory: convention 5 of krepis.h. Since: 1.2.0. */
KREPIS_API uint32_t krepis_connection_info_into(uint32_t channel, uint32_t connection,
                                                FfiResponse* out) KREPIS_NOEXCEPT;

/* Starts the stop of a server and returns at once, so that the thread that reads the server's channels need
 * not wait. Each channel gets KREPIS_EVENT_DRAINING, and at the end KREPIS_EVENT_SERVER_STOPPED with the
 * report of krepis_quic_stop_report.
 *
 * handle, deadline_ms: as krepis_quic_stop_report.
 * Errors: KREPIS_INVALID_POINTER: the handle does not name a server, or another call already stops it.
 *   KREPIS_INVALID_REQUEST: deadline_ms is out of range.
 *   KREPIS_QUOTA_EXCEEDED: no thread for the stop; the server goes on.
 * Blocks: never. Threads: any.
 * Memory: invalidates the 8 bytes of the start when the server has stopped.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_quic_stop_begin(uint64_t handle, uint64_t deadline_ms) KREPIS_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
