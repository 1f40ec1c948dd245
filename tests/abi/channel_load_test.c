/* Channels under load: nothing is lost where room is short, a stream that is not released holds up nobody,
 * and several channels work side by side. */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"
#include "peer.h"

enum { kMostStreams = 1 << 20 };

static uint64_t server;
static Consumer consumer;

static uint32_t channel(void) { return consumer.region.channel; }

static double figure(const char* name) {
  FfiResponse response;
  CHECK_EQUAL(krepis_channel_info_into(channel(), &response), KREPIS_SUCCESS);
  return json_number(text_of(response), name);
}

/* Received bytes by the slot of their stream. */
static uint64_t received[kMostStreams];

static uint64_t* received_of(const FfiEvent* event) { return &received[event->stream & (kMostStreams - 1)]; }

static int continues_pattern(const FfiEvent* event) {
  const uint8_t* const bytes = consumer_bytes(&consumer, event);
  uint64_t* const count = received_of(event);
  for (uint32_t i = 0; i < event->length; ++i) {
    if (bytes[i] != peer_pattern(*count + i)) {
      return 0;
    }
  }
  *count += event->length;
  return 1;
}

static void a_small_ring_and_a_small_arena_lose_nothing(void) {
  enum { kPeers = 4, kStreams = 20, kBytes = 150000, kHeld = 40 };
  Peer* peers[kPeers];
  uint32_t held[kHeld];
  uint32_t held_count = 0;
  int closed = 0;
  server = start_server_json("\"workers\":2");
  consumer_open(&consumer, server, &(FfiChannelConfig){.ring_records = 64, .arena_bytes = 1 << 20});
  for (int i = 0; i < kPeers; ++i) {
    peers[i] = peer_connect(krepis_quic_port(server));
    REQUIRE(peers[i] != NULL);
    for (int j = 0; j < kStreams; ++j) {
      REQUIRE(peer_write(peers[i], peer_open(peers[i], 1), kBytes, 1) == 0);
    }
  }
  while (closed < kPeers * kStreams) {
    FfiEvent event;
    REQUIRE(consumer_next(&consumer, &event));
    closed += event.type == KREPIS_EVENT_STREAM_CLOSED;
    if (event.type == KREPIS_EVENT_STREAM_DATA) {
      CHECK(continues_pattern(&event));
    }
    if (event.type == KREPIS_EVENT_STREAM_DATA && (event.flags & KREPIS_FLAG_FIN) != 0) {
      CHECK_EQUAL(*received_of(&event), kBytes);
      *received_of(&event) = 0;
    }
    if (event.length > 0) {
      held[held_count++] = event.offset;
    }
    if (held_count == kHeld || krepis_channel_wait(channel(), 0) == 0) {
      CHECK_EQUAL(krepis_channel_release(channel(), held, held_count), KREPIS_SUCCESS);
      held_count = 0;
    }
  }
  CHECK(figure("parked_bytes") == 0);
  CHECK(figure("streams") == 0);
  for (int i = 0; i < kPeers; ++i) {
    peer_free(peers[i]);
  }
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void streams_that_are_not_released_slow_no_other(void) {
  enum { kBytes = 4 << 20, kMostHeld = 65536, kSlow = 6 };
  static uint32_t held[kMostHeld];
  uint32_t held_count = 0;
  server = start_server_json("\"workers\":1");
  consumer_open(&consumer, server, &(FfiChannelConfig){.arena_bytes = 1 << 20});
  Peer* const slow = peer_connect(krepis_quic_port(server));
  const uint32_t slow_connection = consumer_await_connection(&consumer);
  Peer* const fast = peer_connect(krepis_quic_port(server));
  for (int i = 0; i < kSlow; ++i) { /* as much as the connection's window takes: more than its share */
    REQUIRE(peer_write(slow, peer_open(slow, 1), kBytes / kSlow, 1) == 0);
  }
  while (figure("parked_bytes") == 0) {
    FfiEvent event;
    if (consumer_poll(&consumer, &event) && event.length > 0) {
      held[held_count++] = event.offset;
    }
  }
  REQUIRE(peer_write(fast, peer_open(fast, 1), kBytes, 1) == 0);
  for (int is_over = 0; !is_over;) {
    const FfiEvent event = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
    if (event.connection == slow_connection) {
      REQUIRE(held_count < kMostHeld);
      held[held_count++] = event.offset;
      continue;
    }
    is_over = (event.flags & KREPIS_FLAG_FIN) != 0;
    consumer_release(&consumer, &event);
  }
  CHECK(figure("parked_bytes") <= (1 << 20)); /* the window of the connection */
  CHECK(figure("arena_blocks_used") < figure("arena_blocks"));
  CHECK_EQUAL(krepis_channel_release(channel(), held, held_count), KREPIS_SUCCESS);
  for (int finished = 0; finished < kSlow;) { /* and then the slow ones go on */
    const FfiEvent event = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
    finished += (event.flags & KREPIS_FLAG_FIN) != 0;
    consumer_release(&consumer, &event);
  }
  peer_free(slow);
  peer_free(fast);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void a_peer_gets_credit_for_streams_whose_end_the_program_has_seen(void) {
  enum { kCredit = 10, kRounds = 300 };
  server = start_server_json("\"workers\":1,\"max_streams_uni\":10");
  consumer_open(&consumer, server, &(FfiChannelConfig){.ring_records = 64});
  Peer* const peer = peer_connect(krepis_quic_port(server));
  for (int i = 0; i < kCredit; ++i) {
    CHECK_EQUAL(peer_write(peer, peer_open(peer, 1), 0, 1), 0);
  }
  while (figure("streams") < kCredit) {
    usleep(100);
  }
  CHECK_EQUAL(peer_open(peer, 1), (uint64_t)-1);
  for (int i = 0; i < kRounds; ++i) {
    consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED);
    int64_t id = -1;
    while ((id = peer_open(peer, 1)) < 0) {
      usleep(100);
    }
    CHECK_EQUAL(peer_write(peer, id, 100, 1), 0);
  }
  CHECK(figure("streams") <= kCredit);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void a_full_queue_of_datagrams_says_when_there_is_room(void) {
  enum { kMost = 100000 };
  static const uint8_t bytes[1000];
  int taken = 0;
  server = start_server_json("\"workers\":1,\"datagram_queue\":16");
  consumer_open(&consumer, server, NULL);
  Peer* const peer = peer_connect(krepis_quic_port(server));
  const uint32_t connection = consumer_await_connection(&consumer);
  while (taken < kMost &&
         krepis_datagram_send(channel(), connection, bytes, sizeof bytes, KREPIS_DATAGRAM_BLOCK, 0, 0) == 1) {
    ++taken;
  }
  CHECK(taken >= 16 && taken < kMost);
  consumer_await(&consumer, KREPIS_EVENT_DATAGRAM_WRITABLE);
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, bytes, sizeof bytes, KREPIS_DATAGRAM_BLOCK, 0, 0),
              1);
  CHECK_EQUAL(peer_wait_datagrams(peer, 16), 0);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

/* Echoes whole streams up to the stop of the server. */
static void* echo(void* argument) {
  Consumer* const mine = argument;
  FfiEvent event;
  while (consumer_next(mine, &event) && event.type != KREPIS_EVENT_SERVER_STOPPED) {
    if (event.type == KREPIS_EVENT_STREAM_DATA) {
      const uint32_t fin = (event.flags & KREPIS_FLAG_FIN) != 0 ? KREPIS_WRITE_FIN : 0;
      CHECK_EQUAL(krepis_stream_write(mine->region.channel, event.stream, consumer_bytes(mine, &event),
                                      event.length, fin),
                  event.length);
    }
    consumer_release(mine, &event);
  }
  CHECK_EQUAL(event.type, KREPIS_EVENT_SERVER_STOPPED);
  return NULL;
}

static void four_channels_work_on_four_threads(void) {
  enum {
    kChannels = 4,
    kPeers = 8,
    kStreams = 25,
    kBytes = 16000
  }; /* a stream's queue always takes 16 KiB */
  static Consumer consumers[kChannels];
  pthread_t threads[kChannels];
  Peer* peers[kPeers];
  server = start_server_json("\"workers\":2");
  for (int i = 0; i < kChannels; ++i) {
    consumer_open(&consumers[i], server, NULL);
    REQUIRE(pthread_create(&threads[i], NULL, echo, &consumers[i]) == 0);
  }
  for (int i = 0; i < kPeers; ++i) {
    peers[i] = peer_connect(krepis_quic_port(server));
    REQUIRE(peers[i] != NULL);
    for (int j = 0; j < kStreams; ++j) {
      REQUIRE(peer_write(peers[i], peer_open(peers[i], 0), kBytes, 1) == 0);
    }
  }
  for (int i = 0; i < kPeers; ++i) {
    for (uint32_t j = 0; j < kStreams; ++j) {
      uint64_t length = 0;
      CHECK_EQUAL(peer_wait_fin(peers[i], peer_wait_finished(peers[i], j), &length), 0);
      CHECK_EQUAL(length, kBytes);
    }
    peer_free(peers[i]);
  }
  CHECK_EQUAL(krepis_quic_stop_begin(server, 5000), KREPIS_SUCCESS);
  for (int i = 0; i < kChannels; ++i) {
    pthread_join(threads[i], NULL);
    consumer_end(&consumers[i]);
  }
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(a_small_ring_and_a_small_arena_lose_nothing);
  RUN(streams_that_are_not_released_slow_no_other);
  RUN(a_peer_gets_credit_for_streams_whose_end_the_program_has_seen);
  RUN(a_full_queue_of_datagrams_says_when_there_is_room);
  RUN(four_channels_work_on_four_threads);
  return check_summary();
}
