/* The data plane: channels. A channel connects one consumer of the program (a thread, a JavaScript isolate)
 * to one server: events and received bytes come through memory that both see, what is to be sent goes by
 * calls. Included by krepis.h. Since ABI 1.2.0.
 *
 * Conventions, beside those of krepis.h:
 *  1. Channels, connections and streams are uint32_t handles from 1 to 2^31 - 1: a slot and a generation. A
 * stale handle gives KREPIS_INVALID_POINTER. Handles of connections and streams belong to their channel.
 *  2. Functions return a KrepisError (uint32_t), or an int32_t: a number from 0 up, or a KrepisError negated.
 *     Hot ones take no 64-bit integer, because those are slow to pass from JavaScript.
 *  3. All functions may be called from any thread; calls on one channel take turns (one short lock). Nothing
 *     here blocks except krepis_channel_wait. None may be called by a thread inside krepis_channel_wait's
 * wait.
 *  4. A connection belongs to one channel, chosen in turn among the server's open ones when its handshake is
 *     complete; channels with events that were not read for a second are left out while another keeps up.
 *     When the last channel is closed, new connections are closed (KREPIS_CODE_NO_CONSUMER); until the first
 *     one opens, connections are kept and their streams are refused with the same code.
 *
 * The region is one mapping: FfiChannelRegion says where things lie. For each worker of the server there is
 * an event ring: a header of 256 bytes (u32 tail @0, written by the library; u32 head @64, written by the
 * program; both count records and wrap at 2^32) and ring_records records of 64 bytes (FfiEvent) from @256 on.
 * The record with number n lies at index n modulo ring_records.
 *
 * How to consume: load tail (acquire), read the records from head to tail, store head (release); when all
 * rings are empty call krepis_channel_arm, and if it returns 0 sleep until the wake descriptor is readable.
 * Bytes of an event stay where they are until krepis_channel_release is told their offset: that returns
 * flow-control credit to the peer (RFC 9000 §4), so a program that does not release slows its peers down, and
 * nobody else.
 *
 * What the program writes to the region is the head of each ring, nothing else. A head that is not between
 * the former head and the tail closes the channel with KREPIS_EVENT_CHANNEL_CLOSED (code 1001). Other bytes
 * that the program overwrites mislead nobody but the program.
 *
 * A consumer that is gone: a thread or isolate may die without krepis_channel_close. The library closes the
 * channel when events wait and the program neither moves a head nor calls a function of the channel (those
 * that end in _info_into do not count) for consumer_timeout_ms, or when the program's end of the wake socket
 * is closed. Its connections are closed with KREPIS_CODE_CONSUMER_GONE, new ones go to the other channels.
 * Should the program come back, it finds KREPIS_EVENT_CHANNEL_CLOSED behind the events that were there. While
 * the server drains nobody is given up: the drain has its deadline.
 */
/* Outside of the guard: krepis.h includes this file, so whichever is included first, both are complete. */
#include <krepis/krepis.h>

#ifndef KREPIS_CHANNEL_H
#define KREPIS_CHANNEL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Application error codes (RFC 9000 §20.2) that the library itself sends. */
#define KREPIS_CODE_NO_CONSUMER 0x4b4e5501u       /* stream or connection: nobody is there to take it */
#define KREPIS_CODE_DRAINING 0x4b4e5502u          /* stream: opened after the drain began */
#define KREPIS_CODE_DEADLINE 0x4b4e5503u          /* connection: cut at the drain's deadline */
#define KREPIS_CODE_APPLICATION_ERROR 0x4b4e5504u /* stream or connection: the program's handler failed */
#define KREPIS_CODE_CONSUMER_GONE 0x4b4e5505u     /* connection: its channel was closed, or nobody reads it */
#define KREPIS_CODE_OVERLOADED                                                \
  0x4b4e5506u /* connection: the channel had no room for more events or bytes \
               */
#define KREPIS_CODE_NO_PROGRESS \
  0x4b4e5507u /* connection: it made no progress while what all share was short */

/* How the program learns of events while it sleeps. */
typedef enum KrepisWake {
  KREPIS_WAKE_NONE = 0,   /* by krepis_channel_wait only */
  KREPIS_WAKE_SOCKET = 1, /* a byte on a socket pair; wake_fd is the program's end. The program closes it when
                             it is done: that closes an open channel, too */
  KREPIS_WAKE_PATH = 2    /* a byte on a UNIX stream socket that listens at wake_path, for one connection */
} KrepisWake;

/* For consumer_timeout_ms: the library waits for ever, as a program that is halted in a debugger needs. */
#define KREPIS_CONSUMER_TIMEOUT_NEVER 0xffffffffu

/* What krepis_channel_open needs. 0 means the default. */
typedef struct FfiChannelConfig {
  uint64_t
      arena_bytes; /* received bytes not yet released, all workers together; 1 MiB to 2 GiB, default 64 MiB */
  uint32_t ring_records; /* of each worker's event ring; a power of two, 64 to 1,048,576, default 4,096 */
  uint32_t queue_bytes;  /* bytes accepted by krepis_stream_write for one stream and not yet taken over by its
                            connection's send buffer; 4 KiB to 256 MiB, default 1 MiB. A write takes less
                            while the connection holds much for its congestion window: docs/channel.md */
  uint32_t wake;         /* KrepisWake */
  uint32_t consumer_timeout_ms; /* see "A consumer that is gone"; 500 to 3,600,000, default 10,000, or
                                   KREPIS_CONSUMER_TIMEOUT_NEVER */
  FfiBuffer wake_path; /* KREPIS_WAKE_PATH: where to listen, 1 to 107 bytes, must not exist; else all zero */
} FfiChannelConfig;

/* What krepis_channel_open answers. */
typedef struct FfiChannelRegion {
  uint8_t* base;        /* of the mapping */
  uint64_t bytes;       /* of the mapping */
  uint64_t ring_offset; /* of the first ring, from base */
  uint64_t ring_stride; /* bytes from one ring to the next */
  uint64_t arena_offset;
  uint64_t arena_bytes;  /* at least what was asked for: the same number of blocks of 32 KiB for each worker,
                            four  at least, and one more for the report of the stop */
  uint32_t channel;      /* the handle */
  uint32_t rings;        /* one for each worker */
  uint32_t ring_records; /* of each ring */
  int32_t wake_fd;       /* KREPIS_WAKE_SOCKET: the program's end, non-blocking; else -1 */
} FfiChannelRegion;

typedef enum KrepisEventType {
  KREPIS_EVENT_CONNECTION_OPENED = 1, /* handshake complete; bytes: JSON {"id":1,"peer":"192.0.2.1:4433",
                                         "alpn":"knul","server_name":""}, for krepis_channel_release as all
                                         bytes. Length 0: the arena had no room for them */
  KREPIS_EVENT_CONNECTION_CLOSED = 2, /* flags: KrepisCloseSource; code; bytes: the reason. The handles of the
                                         connection and of its streams are void from here on */
  KREPIS_EVENT_STREAM_DATA = 3,       /* bytes in order, without gaps; may be empty with a flag */
  KREPIS_EVENT_STREAM_RESET = 4,      /* the peer's RESET_STREAM: code; nothing more is received */
  KREPIS_EVENT_STOP_SENDING = 5,      /* the peer's STOP_SENDING: code; nothing more can be sent */
  KREPIS_EVENT_STREAM_WRITABLE = 6, /* value: bytes that a write takes, after one that took less than given */
  KREPIS_EVENT_STREAM_OPENED = 7,   /* a stream of krepis_stream_open has its stream_id */
  KREPIS_EVENT_STREAM_CLOSED = 8, /* both directions over, everything acknowledged and released. The handle is
                                     void from here on */
  KREPIS_EVENT_DATAGRAM = 9,      /* bytes of one DATAGRAM (RFC 9221) */
  KREPIS_EVENT_DATAGRAM_WRITABLE = 10, /* after a krepis_datagram_send that would have blocked */
  KREPIS_EVENT_DATAGRAM_FATE = 11,     /* value: the context that was given; flags: KrepisDatagramFate */
  KREPIS_EVENT_DRAINING = 12,          /* the server drains; value: milliseconds left. Once per channel */
  KREPIS_EVENT_SERVER_STOPPED = 13,    /* nothing follows, but the other rings may still hold what came before
                                          it;    code: KrepisError of the stop; bytes: its report as JSON */
  KREPIS_EVENT_CHANNEL_CLOSED = 14 /* the library closed the channel; nothing follows. code: 1001 a head that
                                      cannot be, 2000 the events were not read for consumer_timeout_ms, 5001
                                      wake_fd was closed */
} KrepisEventType;

/* Flags of the events of a stream. */
#define KREPIS_FLAG_OPENED 1u /* first event, of whatever type, of a stream that the peer opened */
#define KREPIS_FLAG_FIN 2u    /* these are the last bytes */
#define KREPIS_FLAG_CLEAN 4u  /* STREAM_CLOSED: neither side had reset or stopped it */

/* Flags of CONNECTION_CLOSED: who ended it. */
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

typedef enum KrepisDatagramFate {
  KREPIS_DATAGRAM_ACKNOWLEDGED = 1,
  KREPIS_DATAGRAM_LOST = 2,   /* declared lost (RFC 9002 §6.1); it may still have arrived */
  KREPIS_DATAGRAM_DROPPED = 3 /* by the policy, before it was sent */
} KrepisDatagramFate;

/* One record of an event ring. */
typedef struct FfiEvent {
  uint32_t type; /* KrepisEventType */
  uint32_t flags;
  uint32_t connection; /* handle; 0 when the event is of none */
  uint32_t stream;     /* handle; 0 when the event is of none */
  uint32_t offset;     /* of the bytes, from the arena's start, a multiple of 64; meaningless with length 0 */
  uint32_t length;     /* bytes; above 0 the offset must be released once */
  uint32_t sequence;   /* the record's number */
  uint32_t value;
  double timestamp_us; /* CLOCK_MONOTONIC, when the worker noticed it */
  double stream_id;    /* RFC 9000 §2.1; -1 when the event is of none or it is not yet known */
  uint64_t code;       /* RFC 9000 §20: application or transport error code, or a KrepisError */
  uint64_t reserved;   /* 0 */
} FfiEvent;

/* Opens a channel. The server's workers know it when the call returns.
 *
 * handle: a running server without a built-in service.
 * config: null for the defaults. region: filled on success, not touched otherwise.
 * Errors: KREPIS_INVALID_POINTER: region is null, no such server. KREPIS_MEMORY_ALIGNMENT: config or region
 * is not aligned to 8 bytes. KREPIS_INVALID_REQUEST: a value out of range, a wake_path that exists or cannot
 * be bound; the server runs a built-in service. KREPIS_INVALID_CONTEXT: the server drains.
 *   KREPIS_CONCURRENCY_LIMIT_EXCEEDED: 64 channels of this server, or 1,024 of this process, are open.
 *   KREPIS_QUOTA_EXCEEDED: no descriptors. KREPIS_OUT_OF_MEMORY: no memory to map.
 *   KREPIS_TIMEOUT: a worker did not answer within a second. After an error nothing is left behind.
 * Blocks: until the workers answered; microseconds, at most a second. Threads: any.
 * Memory: the region stays mapped until krepis_channel_unmap, whatever happens to channel and server.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_open(uint64_t handle, const FfiChannelConfig* config,
                                        FfiChannelRegion* region) KREPIS_NOEXCEPT;

/* Says that the program is about to sleep: the next event writes a byte to the wake descriptor, once.
 *
 * Returns: 1 when events are waiting already (do not sleep; nothing was armed), 0 when it may sleep,
 *   -KREPIS_INVALID_POINTER for no such channel.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API int32_t krepis_channel_arm(uint32_t channel) KREPIS_NOEXCEPT;

/* Waits until an event is there. For programs that have a thread for it; works with every KrepisWake.
 *
 * timeout_ms: at most this long; 0 only looks.
 * Returns: 1 when events are there, 0 after the timeout, -KREPIS_INVALID_POINTER for no such channel,
 *   -KREPIS_INVALID_CONTEXT when it was closed or unmapped meanwhile.
 * Blocks: up to timeout_ms. Threads: any, one at a time. Since: 1.2.0. */
KREPIS_API int32_t krepis_channel_wait(uint32_t channel, uint32_t timeout_ms) KREPIS_NOEXCEPT;

/* Returns the bytes of events: they may be overwritten from now on, and the peer gets the credit.
 *
 * offsets: `count` of the field `offset` of events with length above 0, each once.
 * Errors: KREPIS_INVALID_POINTER: no such channel, or offsets is null with count above 0.
 *   KREPIS_INVALID_REQUEST: an offset is of no event that is out; the others were released all the same.
 * Works on a channel that was closed, until krepis_channel_unmap. Blocks: never. Threads: any. Since: 1.2.0.
 */
KREPIS_API uint32_t krepis_channel_release(uint32_t channel, const uint32_t* offsets,
                                           uint32_t count) KREPIS_NOEXCEPT;

/* Tells the workers of everything that was called with KREPIS_WRITE_LATER. Cheap when there is nothing.
 *
 * Errors: KREPIS_INVALID_POINTER: no such channel. Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_flush(uint32_t channel) KREPIS_NOEXCEPT;

/* What the channel did: JSON
 * {"connections":0,"streams":0,"events":0,"backlog_events":0,"arena_blocks_used":0,
 * "arena_blocks":0,"parked_bytes":0,"queued_bytes":0,"wakeups":0,"datagrams_dropped":0}.
 *
 * Errors: KREPIS_INVALID_POINTER: no such channel. Blocks: never. Threads: any. Memory: convention 5 of
 * krepis.h. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_info_into(uint32_t channel, FfiResponse* out) KREPIS_NOEXCEPT;

/* Closes a channel: its connections are closed with KREPIS_CODE_CONSUMER_GONE, no event follows. The region
 * stays mapped, so that views of it stay valid; the handle stays good for krepis_channel_release and
 * krepis_channel_unmap only.
 *
 * Errors: KREPIS_INVALID_POINTER: no such channel, or closed already. Blocks: never. Threads: any.
 * Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_close(uint32_t channel) KREPIS_NOEXCEPT;

/* Says that the program has no view of the region any more: it is unmapped, the handle is void.
 *
 * Errors: KREPIS_INVALID_POINTER: no such channel. KREPIS_INVALID_CONTEXT: it is not closed, and its server
 * has not stopped. Blocks: until other calls on the channel have returned. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_channel_unmap(uint32_t channel) KREPIS_NOEXCEPT;

/* Flags of krepis_stream_write. */
#define KREPIS_WRITE_FIN 1u /* the stream's last bytes; taken only together with the last of them */
#define KREPIS_WRITE_LATER                                                                 \
  2u /* more calls follow: the worker need not be told before krepis_channel_flush, or the \
        next call without this flag */

/* Sends bytes on a stream; copies what it takes.
 *
 * data: `length` bytes; may be null with length 0. length: 0 to 2^30.
 * Returns: bytes taken, from 0 to length. Less than length: the queue of the stream or of its
 *   connection is full, and KREPIS_EVENT_STREAM_WRITABLE follows when there is room.
 *   A FIN alone is taken with length 0.
 *   -KREPIS_INVALID_POINTER: no such channel or stream, or data is null.
 *   -KREPIS_INVALID_REQUEST: unknown flags, length above 2^30, or a receive-only stream.
 *   -KREPIS_INVALID_CONTEXT: the sending side is over: a FIN was taken, or it was reset by either side.
 *   -KREPIS_OUT_OF_MEMORY.
 * Blocks: never. Threads: any. Memory: data may be changed when the call has returned. Since: 1.2.0. */
KREPIS_API int32_t krepis_stream_write(uint32_t channel, uint32_t stream, const uint8_t* data,
                                       uint32_t length, uint32_t flags) KREPIS_NOEXCEPT;

/* Opens a stream. It can be written at once; it gets its stream_id, and its bytes go out, as soon as the
 * peer's stream limit (RFC 9000 §4.6) allows: KREPIS_EVENT_STREAM_OPENED.
 *
 * unidirectional: 1, or 0 for bidirectional.
 * Returns: the stream's handle. -KREPIS_INVALID_POINTER: no such channel or connection.
 * -KREPIS_INVALID_REQUEST: unidirectional is neither. -KREPIS_CONCURRENCY_LIMIT_EXCEEDED: 1,024 streams of
 * this connection wait for the peer's limit, or the channel has 2^20 streams. Blocks: never. Threads: any.
 * Since: 1.2.0. */
KREPIS_API int32_t krepis_stream_open(uint32_t channel, uint32_t connection,
                                      uint32_t unidirectional) KREPIS_NOEXCEPT;

/* RESET_STREAM of the sending side / STOP_SENDING of the receiving side (RFC 9000 §19.4, §19.5). What was
 * queued or not yet delivered is dropped. No effect when that side is over already; the first code counts.
 *
 * code: 0 to 2^62 - 1.
 * Errors: KREPIS_INVALID_POINTER: no such channel or stream. KREPIS_INVALID_REQUEST: the code, or a stream
 * without that side. Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_stream_reset(uint32_t channel, uint32_t stream, uint64_t code) KREPIS_NOEXCEPT;
KREPIS_API uint32_t krepis_stream_stop_sending(uint32_t channel, uint32_t stream,
                                               uint64_t code) KREPIS_NOEXCEPT;

/* Sets the order in which streams of one connection send (the scheme of RFC 9218 §4): lower urgency first;
 * streams of the same urgency take turns when incremental, else one after the other.
 *
 * urgency: 0 to 7, 3 at first. incremental: 0 or 1, 1 at first.
 * Errors: KREPIS_INVALID_POINTER: no such channel or stream. KREPIS_INVALID_REQUEST: out of range.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_stream_priority(uint32_t channel, uint32_t stream, uint32_t urgency,
                                           uint32_t incremental) KREPIS_NOEXCEPT;

/* JSON {"stream_id":0,"connection":1,"direction":"bidirectional","opened_by":"peer","queued_bytes":0};
 * stream_id is null while it waits for the peer's limit.
 *
 * Errors: KREPIS_INVALID_POINTER: no such channel or stream. Blocks: never. Threads: any. Memory: convention
 * 5 of krepis.h. Since: 1.2.0. */
KREPIS_API uint32_t krepis_stream_info_into(uint32_t channel, uint32_t stream,
                                            FfiResponse* out) KREPIS_NOEXCEPT;

/* What happens to a datagram when the connection's queue of unsent ones (setting datagram_queue) is full. */
typedef enum KrepisDatagramPolicy {
  KREPIS_DATAGRAM_BLOCK = 0,       /* it is not taken, KREPIS_EVENT_DATAGRAM_WRITABLE follows */
  KREPIS_DATAGRAM_DROP_OLDEST = 1, /* it takes the place of the oldest */
  KREPIS_DATAGRAM_DROP_NEWEST = 2  /* it is dropped */
} KrepisDatagramPolicy;
#define KREPIS_DATAGRAM_REPORT_FATE 0x100u /* or-ed to the policy: KREPIS_EVENT_DATAGRAM_FATE follows */

/* Sends a DATAGRAM (RFC 9221); copies it.
 *
 * length: 1 to the limit of krepis_connection_info_into ("max_datagram_bytes").
 * policy: a KrepisDatagramPolicy and flags. expires_ms: dropped when not sent within this time; 0: never.
 * context: returned in the event that reports its fate.
 * Returns: 1 taken, 0 would block or dropped by the policy. -KREPIS_INVALID_POINTER: no such channel or
 * connection, or data is null. -KREPIS_INVALID_REQUEST: length, policy, or the peer takes no datagrams.
 * Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API int32_t krepis_datagram_send(uint32_t channel, uint32_t connection, const uint8_t* data,
                                        uint32_t length, uint32_t policy, uint32_t expires_ms,
                                        uint32_t context) KREPIS_NOEXCEPT;

/* Closes a connection with an application code (RFC 9000 §10.2); buffered data is discarded.
 * KREPIS_EVENT_CONNECTION_CLOSED follows.
 *
 * code: 0 to 2^62 - 1. reason: `reason_length` bytes of UTF-8, at most 1,024, of which the peer is sent the
 * first 256; may be null with 0.
 * Errors: KREPIS_INVALID_POINTER: no such channel or connection, or reason is null. KREPIS_INVALID_REQUEST:
 * out of range. Blocks: never. Threads: any. Since: 1.2.0. */
KREPIS_API uint32_t krepis_connection_close(uint32_t channel, uint32_t connection, uint64_t code,
                                            const char* reason, uint32_t reason_length) KREPIS_NOEXCEPT;

/* JSON {"id":1,"peer":"127.0.0.1:4433","alpn":"knul","server_name":"","smoothed_rtt_us":0,"min_rtt_us":0,
 * "congestion_window_bytes":0,"bytes_in_flight":0,"bytes_received":0,"bytes_sent":0,"streams_active":0,
 * "max_datagram_bytes":0}. The figures are at most 100 ms older than the connection's last event. It answers
 * until the program's head has passed CONNECTION_CLOSED, so never with an error while that is not read.
 *
 * Errors: KREPIS_INVALID_POINTER: no such channel or connection. Blocks: never. Threads: any. Memory:
 * convention 5 of krepis.h. Since: 1.2.0. */
KREPIS_API uint32_t krepis_connection_info_into(uint32_t channel, uint32_t connection,
                                                FfiResponse* out) KREPIS_NOEXCEPT;

/* Starts the stop of a server and returns at once, for the thread that its channels' events need: each of its
 * channels gets KREPIS_EVENT_DRAINING and at the end KREPIS_EVENT_SERVER_STOPPED with the report of
 * krepis_quic_stop_report.
 *
 * handle, deadline_ms: as krepis_quic_stop_report.
 * Errors: KREPIS_INVALID_POINTER: no such server, or it is being stopped already. KREPIS_INVALID_REQUEST:
 * deadline_ms. KREPIS_QUOTA_EXCEEDED: no thread to wait on; the server goes on. Blocks: never. Threads: any.
 * Memory: the 8 bytes of the start end when the server has stopped. Since: 1.2.0. */
KREPIS_API uint32_t krepis_quic_stop_begin(uint64_t handle, uint64_t deadline_ms) KREPIS_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
