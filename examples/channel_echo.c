/* Sends back what streams bring, through a channel: the data plane on one page. Ends with its standard input.
 * Usage: channel_echo <port> <certificate.pem> <key.pem> */
#include <krepis/krepis.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* Events whose bytes a write has not taken yet, oldest first. The bytes stay in the arena, and until they are
 * released the peer has no credit to send more. */
typedef struct Owed {
  FfiEvent event;
  uint32_t written;
} Owed;
static Owed owed[65536];
static uint32_t owed_count;
static FfiChannelRegion region;

static void check(uint32_t code, const char* what) {
  if (code != KREPIS_SUCCESS) {
    fprintf(stderr, "%s: %s: %s\n", what, krepis_error_name(code), krepis_last_error());
    exit(1);
  }
}

/* 1 when the event is done with: all was taken, or the stream takes nothing any more. */
static int write_back(Owed* from) {
  const FfiEvent* const event = &from->event;
  const uint8_t* const bytes = region.base + region.arena_offset + event->offset + from->written;
  const uint32_t fin = (event->flags & KREPIS_FLAG_FIN) != 0 ? KREPIS_WRITE_FIN : 0;
  const uint32_t left = event->length - from->written;
  const int32_t taken =
      krepis_stream_write(region.channel, event->stream, bytes, left, fin | KREPIS_WRITE_LATER);
  from->written += taken > 0 ? (uint32_t)taken : 0;
  return taken < 0 || (uint32_t)taken == left;
}

/* Writes what is owed to a stream, in order, as far as that goes. */
static void pay(uint32_t stream) {
  uint32_t kept = 0;
  int is_blocked = 0;
  for (uint32_t i = 0; i < owed_count; ++i) {
    Owed* const debt = &owed[i];
    if (debt->event.stream != stream || is_blocked || !write_back(debt)) {
      is_blocked = is_blocked || debt->event.stream == stream;
      owed[kept++] = *debt;
    } else if (debt->event.length > 0) {
      krepis_channel_release(region.channel, &debt->event.offset, 1);
    }
  }
  owed_count = kept;
}

static void handle(const FfiEvent* event) {
  if (event->type == KREPIS_EVENT_STREAM_DATA && owed_count < 65536) {
    owed[owed_count++] = (Owed){*event, 0};
  } else if (event->length > 0) {
    krepis_channel_release(region.channel, &event->offset, 1);
  }
  pay(event->stream);
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
