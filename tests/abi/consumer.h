/* A consumer of one channel, for the C tests. */
#pragma once

#include <krepis/krepis.h>
#include <stdatomic.h>

#include "check.h"

typedef struct Consumer {
  FfiChannelRegion region;
  uint32_t heads[64];
  uint32_t sequences; /* events whose number was not the next one */
} Consumer;

static const uint32_t kPatienceMs = 20000;

/* Unless the config says something else, a consumer that waits for its peer for long is not given up. */
static inline void consumer_open(Consumer* consumer, uint64_t server, const FfiChannelConfig* config) {
  FfiChannelConfig chosen = config != NULL ? *config : (FfiChannelConfig){0};
  chosen.consumer_timeout_ms =
      chosen.consumer_timeout_ms != 0 ? chosen.consumer_timeout_ms : KREPIS_CONSUMER_TIMEOUT_NEVER;
  memset(consumer, 0, sizeof *consumer);
  if (krepis_channel_open(server, &chosen, &consumer->region) != KREPIS_SUCCESS) {
    fprintf(stderr, "no channel: %s\n", krepis_last_error());
    exit(1);
  }
}

static inline _Atomic uint32_t* consumer_word(const Consumer* consumer, uint32_t ring, uint64_t offset) {
  return (_Atomic uint32_t*)(void*)(consumer->region.base + consumer->region.ring_offset +
                                    ring * consumer->region.ring_stride + offset);
}

/* Takes the next event that is there; 0 when there is none. */
static inline int consumer_poll(Consumer* consumer, FfiEvent* event) {
  for (uint32_t ring = 0; ring < consumer->region.rings; ++ring) {
    const uint32_t tail = atomic_load_explicit(consumer_word(consumer, ring, 0), memory_order_acquire);
    uint32_t* const head = &consumer->heads[ring];
    if (*head == tail) {
      continue;
    }
    const uint64_t at = *head & (consumer->region.ring_records - 1);
    memcpy(event, (const uint8_t*)consumer_word(consumer, ring, 256 + at * sizeof *event), sizeof *event);
    consumer->sequences += event->sequence != *head;
    ++*head;
    atomic_store_explicit(consumer_word(consumer, ring, 64), *head, memory_order_release);
    return 1;
  }
  return 0;
}

/* The same, after waiting for one. 0 when none comes. */
static inline int consumer_next(Consumer* consumer, FfiEvent* event) {
  while (!consumer_poll(consumer, event)) {
    if (krepis_channel_wait(consumer->region.channel, kPatienceMs) != 1) {
      fprintf(stderr, "no event came: %s\n", krepis_last_error());
      return 0;
    }
  }
  return 1;
}

static inline const uint8_t* consumer_bytes(const Consumer* consumer, const FfiEvent* event) {
  return consumer->region.base + consumer->region.arena_offset + event->offset;
}

static inline void consumer_release(Consumer* consumer, const FfiEvent* event) {
  if (event->length > 0) {
    CHECK_EQUAL(krepis_channel_release(consumer->region.channel, &event->offset, 1), KREPIS_SUCCESS);
  }
}

/* Takes events, and releases those of other types, until one of that type comes. Ends the program if not. */
static inline FfiEvent consumer_await(Consumer* consumer, uint32_t type) {
  FfiEvent event;
  for (;;) {
    if (!consumer_next(consumer, &event)) {
      fprintf(stderr, "an event of type %u did not come\n", type);
      exit(1);
    }
    if (event.type == type) {
      return event;
    }
    consumer_release(consumer, &event);
  }
}

/* The next connection. */
static inline uint32_t consumer_await_connection(Consumer* consumer) {
  const FfiEvent event = consumer_await(consumer, KREPIS_EVENT_CONNECTION_OPENED);
  consumer_release(consumer, &event);
  return event.connection;
}

static inline void consumer_end(Consumer* consumer) {
  CHECK_EQUAL(consumer->sequences, 0);
  krepis_channel_close(consumer->region.channel);
  CHECK_EQUAL(krepis_channel_unmap(consumer->region.channel), KREPIS_SUCCESS);
}
