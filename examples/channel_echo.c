/* Echoes streams through a channel: the data plane on one page. Ends when its standard input ends.
 * Usage: channel_echo <port> <certificate.pem> <key.pem> */
#include <krepis/krepis.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FfiChannelRegion region;

static void check(uint32_t code, const char* what) {
  if (code != KREPIS_SUCCESS) {
    fprintf(stderr, "%s: %s: %s\n", what, krepis_error_name(code), krepis_last_error());
    exit(1);
  }
}

/* --- Sending. krepis_stream_write may accept fewer bytes than given, or none. A program that ignores the
 * result loses bytes. This helper keeps the remaining bytes in order until STREAM_WRITABLE. It keeps the
 * events, not copies: the bytes stay in the arena, and the peer gets no credit until they are released. So a
 * peer that does not read its answers cannot send more, and takes no memory here. */
typedef struct Unsent {
  struct Unsent* next;
  FfiEvent event;
  uint32_t accepted; /* bytes of the event */
} Unsent;

typedef struct Queue {
  uint32_t stream; /* 0: unused */
  uint32_t connection;
  Unsent* first;
  Unsent* last;
} Queue;

enum { kSlots = 1 << 20 }; /* the low 20 bits of a handle, see channel.h */
static Queue queues[kSlots];
static uint32_t used_slots; /* slots from here on were never used */

static void drop_first(Queue* queue) {
  Unsent* const unsent = queue->first;
  queue->first = unsent->next;
  if (unsent->event.length > 0) {
    krepis_channel_release(region.channel, &unsent->event.offset, 1);
  }
  free(unsent);
}

/* Writes queued bytes until the stream accepts no more. */
static void send_queued(Queue* queue) {
  while (queue->first != NULL) {
    Unsent* const unsent = queue->first;
    const FfiEvent* const event = &unsent->event;
    const uint8_t* const bytes = region.base + region.arena_offset + event->offset + unsent->accepted;
    const uint32_t left = event->length - unsent->accepted;
    const uint32_t fin = (event->flags & KREPIS_FLAG_FIN) != 0 ? KREPIS_WRITE_FIN : 0;
    const int32_t accepted =
        krepis_stream_write(region.channel, event->stream, bytes, left, fin | KREPIS_WRITE_LATER);
    if (accepted >= 0 && (uint32_t)accepted < left) { /* STREAM_WRITABLE follows */
      unsent->accepted += (uint32_t)accepted;
      return;
    }
    drop_first(queue); /* sent, or the stream can no longer send */
  }
}

static void send_back(const FfiEvent* event) {
  Unsent* const unsent = malloc(sizeof *unsent);
  const uint32_t slot = event->stream & (kSlots - 1);
  Queue* const queue = &queues[slot];
  if (unsent == NULL) {
    fputs("no memory\n", stderr);
    exit(1);
  }
  *unsent = (Unsent){NULL, *event, 0};
  used_slots = slot < used_slots ? used_slots : slot + 1;
  queue->stream = event->stream;
  queue->connection = event->connection;
  if (queue->first == NULL) {
    queue->first = queue->last = unsent;
    send_queued(queue);
  } else { /* behind the waiting events */
    queue->last = queue->last->next = unsent;
  }
}

static void forget(Queue* queue) {
  while (queue->first != NULL) {
    drop_first(queue);
  }
}

/* --- Receiving. */
static void handle(const FfiEvent* event) {
  Queue* const queue = &queues[event->stream & (kSlots - 1)];
  switch (event->type) {
    case KREPIS_EVENT_STREAM_DATA:
      send_back(event);
      return; /* released when it is sent */
    case KREPIS_EVENT_STREAM_WRITABLE:
      send_queued(queue);
      break;
    case KREPIS_EVENT_STREAM_RESET: /* the peer reset its request, so reset the answer */
      forget(queue);
      krepis_stream_reset(region.channel, event->stream, event->code);
      break;
    case KREPIS_EVENT_STOP_SENDING:
      forget(queue);
      break;
    case KREPIS_EVENT_CONNECTION_CLOSED: /* ends its streams without further events */
      for (uint32_t slot = 0; slot < used_slots; ++slot) {
        if (queues[slot].first != NULL && queues[slot].connection == event->connection) {
          forget(&queues[slot]);
        }
      }
      break;
    default:
      break;
  }
  if (event->length > 0) {
    krepis_channel_release(region.channel, &event->offset, 1);
  }
}

static void consume(uint8_t* ring) {
  _Atomic uint32_t* const head = (_Atomic uint32_t*)(void*)(ring + 64);
  const uint32_t tail = atomic_load_explicit((_Atomic uint32_t*)(void*)ring, memory_order_acquire);
  for (uint32_t at = atomic_load_explicit(head, memory_order_relaxed); at != tail; ++at) {
    handle((const FfiEvent*)(void*)(ring + 256) + (at & (region.ring_records - 1)));
    atomic_store_explicit(head, at + 1, memory_order_release);
  }
}

int main(int argc, char** argv) {
  char text[8192];
  if (argc != 4) {
    fprintf(stderr, "usage: channel_echo <port> <certificate.pem> <key.pem>\n");
    return 2;
  }
  const char* const format = "{\"port\":%s,\"cert_path\":\"%s\",\"key_path\":\"%s\"}";
  const int length = snprintf(text, sizeof text, format, argv[1], argv[2], argv[3]);
  const FfiResponse started = krepis_quic_start_json(text, (size_t)length);
  check(started.error_code, "start");
  uint64_t server;
  memcpy(&server, started.result_buffer.data, sizeof server);
  check(krepis_channel_open(server, &(FfiChannelConfig){.wake = KREPIS_WAKE_SOCKET}, &region), "channel");
  printf("port %u\n", krepis_quic_port(server));
  fflush(stdout);
  struct pollfd sources[2] = {{.fd = region.wake_fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (sources[1].revents == 0) {
    for (uint32_t i = 0; i < region.rings; ++i) {
      consume(region.base + region.ring_offset + i * region.ring_stride);
    }
    krepis_channel_flush(region.channel);
    if (krepis_channel_arm(region.channel) == 0 && poll(sources, 2, -1) > 0 && sources[0].revents != 0) {
      (void)!read(region.wake_fd, text, sizeof text);
    }
  }
  check(krepis_quic_stop(server).error_code, "stop");
  return (int)krepis_channel_unmap(region.channel);
}
