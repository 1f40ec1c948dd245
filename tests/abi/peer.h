/* A client that the tests of channels lead by the hand, on krepis::QuicClient. One connection to
 * 127.0.0.1:port. Functions that return int give 0, or -1 after a line on stderr; those that wait do so for
 * 20 seconds at most. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Peer Peer;

Peer* peer_connect(uint16_t port); /* null: failed */
/* Like peer_connect_briefly, with a client certificate. Null paths: no certificate. */
Peer* peer_connect_as(uint16_t port, const char* cert_path, const char* key_path);
/* The same, for a connection that the server may close as soon as it is there. */
Peer* peer_connect_briefly(uint16_t port);
void peer_free(Peer* peer);
/* CONNECTION_CLOSE with a code; the reason is "the peer is done". */
int peer_close(Peer* peer, uint64_t code);
int peer_wait_closed(Peer* peer, uint64_t* code);

/* The stream's id, or -1 when there is no credit. */
int64_t peer_open(Peer* peer, int unidirectional);
/* Sends `length` bytes of a pattern that goes on from write to write; keeps what flow control refuses. */
int peer_write(Peer* peer, int64_t stream, uint64_t length, int fin);
int peer_reset(Peer* peer, int64_t stream, uint64_t code);
int peer_stop_sending(Peer* peer, int64_t stream, uint64_t code);
/* Gives received bytes no credit until called with 0 (then all at once). */
int peer_hold(Peer* peer, int is_holding);

/* Each stream's received bytes must be the pattern from its start. */
int peer_wait_bytes(Peer* peer, int64_t stream, uint64_t length);
int peer_wait_fin(Peer* peer, int64_t stream, uint64_t* length);
int peer_wait_reset(Peer* peer, int64_t stream, uint64_t* code);
int peer_wait_stop_sending(Peer* peer, int64_t stream, uint64_t* code);
/* The nth stream that the server opened, from 0. */
int64_t peer_wait_opened(Peer* peer, uint32_t index);
/* Which stream had its FIN as nth, from 0. */
int64_t peer_wait_finished(Peer* peer, uint32_t index);

/* What the peer was told of a stream until now. */
typedef struct PeerStream {
  uint64_t received;
  int is_pattern; /* the bytes were as expected */
  int has_fin, has_reset, has_stop, is_closed;
  uint64_t reset_code, stop_code;
} PeerStream;
PeerStream peer_look(Peer* peer, int64_t stream);
/* Waits until it is closed in both directions and everything is acknowledged. */
int peer_wait_stream_closed(Peer* peer, int64_t stream);

int peer_send_datagram(Peer* peer, uint32_t length);
int peer_wait_datagrams(Peer* peer, uint32_t count);

/* The byte at `offset` of the pattern. */
static inline uint8_t peer_pattern(uint64_t offset) { return (uint8_t)(offset * 31 + (offset >> 8) * 7 + 5); }

#ifdef __cplusplus
}
#endif
