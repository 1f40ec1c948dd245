/* A consumer that is gone keeps no share of the connections: it is noticed, its connections are closed, and
 * new ones go to the channels that are read. */
#define _GNU_SOURCE
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"
#include "peer.h"

enum { kMostPeers = 200, kInARow = 12 };

static uint64_t server;
static Consumer gone, well;
static Peer* peers[kMostPeers];
static int peer_count;

static int connect_one(void) {
  REQUIRE(peer_count < kMostPeers);
  peers[peer_count] = peer_connect(krepis_quic_port(server));
  REQUIRE(peers[peer_count] != NULL);
  return peer_count++;
}

/* Whether the channel that is read has the peer's connection: it gets a stream of it within `seconds`, and
 * answers. */
static int is_served(int peer, double seconds) {
  const int64_t id = peer_open(peers[peer], 0);
  if (id < 0 || peer_write(peers[peer], id, 10, 1) != 0) {
    return 0;
  }
  FfiEvent event;
  for (const double begin = seconds_now(); seconds_now() - begin < seconds;) {
    while (consumer_poll(&well, &event)) {
      consumer_release(&well, &event);
      if (event.type == KREPIS_EVENT_STREAM_DATA) {
        krepis_stream_reset(well.region.channel, event.stream, 0);
        return 1;
      }
    }
    krepis_channel_wait(well.region.channel, 10);
  }
  return 0;
}

/* Whether the channel that nobody reads has the newest connection; the other one reads what it gets. */
static int is_given_to_gone(void) {
  FfiEvent event;
  const double begin = seconds_now();
  while (krepis_channel_wait(gone.region.channel, 5) != 1) {
    while (consumer_poll(&well, &event)) {
      consumer_release(&well, &event);
      if (event.type == KREPIS_EVENT_CONNECTION_OPENED) {
        return 0;
      }
    }
    REQUIRE(seconds_now() - begin < kPatienceMs / 1000.0);
  }
  return 1;
}

/* Two channels, of which the first is given the last connection, and nobody reads it. */
static void set_up(const FfiChannelConfig* config, const char* settings) {
  server = start_server_json(settings);
  consumer_open(&gone, server, config);
  consumer_open(&well, server, NULL);
  do {
    connect_one();
  } while (!is_given_to_gone());
}

static void tear_down(void) {
  while (peer_count > 0) {
    peer_free(peers[--peer_count]);
  }
  krepis_channel_close(gone.region.channel);
  CHECK_EQUAL(krepis_channel_unmap(gone.region.channel), KREPIS_SUCCESS);
  consumer_end(&well);
  krepis_quic_stop_report(server, 0);
}

static int closed_as_gone(Peer* peer) {
  uint64_t code = 0;
  return peer_wait_closed(peer, &code) == 0 && code == KREPIS_CODE_CONSUMER_GONE;
}

static void check_others_are_served(void) {
  for (int i = 0; i < kInARow; ++i) {
    CHECK(is_served(connect_one(), kPatienceMs / 1000.0));
  }
}

static void a_consumer_that_is_silent_is_closed_and_the_other_has_its_connections(void) {
  set_up(&(FfiChannelConfig){.consumer_timeout_ms = 500}, "\"workers\":2");
  CHECK(closed_as_gone(peers[peer_count - 1]));
  check_others_are_served();
  /* It comes back. */
  CHECK_EQUAL(consumer_await(&gone, KREPIS_EVENT_CHANNEL_CLOSED).code, KREPIS_TIMEOUT);
  CHECK_EQUAL(krepis_channel_wait(gone.region.channel, 1000), (uint64_t)-KREPIS_INVALID_CONTEXT);
  CHECK_CONTAINS(krepis_last_error(), "consumer_timeout_ms");
  CHECK_EQUAL(krepis_channel_flush(gone.region.channel), KREPIS_SUCCESS);
  tear_down();
}

static void one_whose_ring_is_full_finds_the_end_behind_it(void) {
  FfiEvent event = {0};
  int told = 0;
  set_up(&(FfiChannelConfig){.consumer_timeout_ms = 500, .ring_records = 64}, "\"workers\":1");
  Peer* const peer = peers[peer_count - 1];
  for (int i = 0; i < 100; ++i) {
    REQUIRE(peer_write(peer, peer_open(peer, 0), 10, 0) == 0);
  }
  CHECK(closed_as_gone(peer));
  while (event.type != KREPIS_EVENT_CHANNEL_CLOSED && consumer_next(&gone, &event)) {
    consumer_release(&gone, &event);
    ++told;
  }
  CHECK_EQUAL(event.type, KREPIS_EVENT_CHANNEL_CLOSED);
  CHECK(told <= 65);
  CHECK_EQUAL(krepis_channel_wait(gone.region.channel, 1000), (uint64_t)-KREPIS_INVALID_CONTEXT);
  tear_down();
}

static void a_closed_wake_socket_costs_no_new_connection(void) {
  set_up(
      &(FfiChannelConfig){.wake = KREPIS_WAKE_SOCKET, .consumer_timeout_ms = KREPIS_CONSUMER_TIMEOUT_NEVER},
      "\"workers\":2");
  close(gone.region.wake_fd);
  check_others_are_served();
  CHECK(closed_as_gone(peers[peer_count - kInARow - 1]));
  CHECK_EQUAL(consumer_await(&gone, KREPIS_EVENT_CHANNEL_CLOSED).code, KREPIS_CONNECTION_FAILED);
  tear_down();
}

static void one_that_lags_gets_no_new_connection_as_long_as_another_keeps_up(void) {
  int in_a_row = 0;
  set_up(&(FfiChannelConfig){.consumer_timeout_ms = KREPIS_CONSUMER_TIMEOUT_NEVER}, "\"workers\":2");
  while (in_a_row < kInARow && peer_count < kMostPeers) {
    in_a_row = is_served(connect_one(), 0.2) ? in_a_row + 1 : 0;
    usleep(50000);
  }
  CHECK_EQUAL(in_a_row, kInARow);                            /* in turn it would never be more than one */
  while (krepis_channel_wait(gone.region.channel, 0) == 1) { /* it catches up, and has its turn again */
    FfiEvent event;
    while (consumer_poll(&gone, &event)) {
    }
  }
  for (int i = 0; i < 4; ++i) {
    connect_one();
  }
  CHECK_EQUAL(krepis_channel_wait(gone.region.channel, kPatienceMs), 1);
  tear_down();
}

/* Reads neither a head nor calls anything, which would be a sign of life. */
static int is_told_of_its_end(const Consumer* consumer) {
  const uint32_t tail = atomic_load_explicit(consumer_word(consumer, 0, 0), memory_order_acquire);
  FfiEvent event = {0};
  for (uint32_t at = consumer->heads[0]; at != tail && event.type != KREPIS_EVENT_CHANNEL_CLOSED; ++at) {
    const uint64_t place = at & (consumer->region.ring_records - 1);
    memcpy(&event, (const uint8_t*)consumer_word(consumer, 0, 256 + place * sizeof event), sizeof event);
  }
  return event.type == KREPIS_EVENT_CHANNEL_CLOSED;
}

/* Another one that does not even call is closed meanwhile, although its events came later. */
static void one_that_calls_without_reading_is_kept(void) {
  const FfiChannelConfig config = {.consumer_timeout_ms = 1500};
  Consumer silent;
  set_up(&config, "\"workers\":1");
  consumer_open(&silent, server, &config);
  const double end = seconds_now() + kPatienceMs / 1000;
  while (!is_told_of_its_end(&silent) && seconds_now() < end) {
    if (atomic_load(consumer_word(&silent, 0, 0)) == 0 && peer_count < kMostPeers) {
      connect_one();
    }
    CHECK_EQUAL(krepis_channel_flush(gone.region.channel), KREPIS_SUCCESS);
    usleep(10000);
  }
  CHECK(is_told_of_its_end(&silent));
  CHECK(!is_told_of_its_end(&gone));
  CHECK_EQUAL(consumer_await(&gone, KREPIS_EVENT_CONNECTION_OPENED).type, KREPIS_EVENT_CONNECTION_OPENED);
  CHECK_EQUAL(krepis_channel_close(silent.region.channel), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_unmap(silent.region.channel), KREPIS_SUCCESS);
  tear_down();
}

static void the_hundredth_consumer_that_dies_leaves_room_for_the_next(void) {
  enum { kDead = 100 }; /* 64 may be open at a time, and who is dead does not unmap */
  static Consumer dead[kDead];
  server = start_server_json("\"workers\":1");
  consumer_open(&well, server, NULL);
  for (int i = 0; i < kDead; ++i) {
    const FfiChannelConfig config = {.wake = KREPIS_WAKE_SOCKET, .arena_bytes = 1 << 20};
    consumer_open(&dead[i], server, &config);
    close(dead[i].region.wake_fd);
    for (int looks = 0; krepis_channel_wait(dead[i].region.channel, 0) != 1 && looks < 100; ++looks) {
      Peer* const peer = peer_connect(krepis_quic_port(server)); /* a turn notices it */
      REQUIRE(peer != NULL);
      peer_free(peer);
    }
    CHECK_EQUAL(consumer_await(&dead[i], KREPIS_EVENT_CHANNEL_CLOSED).code, KREPIS_CONNECTION_FAILED);
  }
  for (int i = 0; i < kDead; ++i) {
    while (krepis_channel_unmap(dead[i].region.channel) == KREPIS_INVALID_CONTEXT) {
      usleep(1000); /* until the worker let go */
    }
  }
  consumer_end(&well);
  krepis_quic_stop_report(server, 0);
}

static void when_the_last_channel_is_closed_new_connections_are_closed(void) {
  uint64_t code = 0;
  server = start_server_json("\"workers\":2");
  consumer_open(&well, server, NULL);
  consumer_end(&well);
  Peer* const peer = peer_connect_briefly(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  CHECK_EQUAL(peer_wait_closed(peer, &code), 0);
  CHECK_EQUAL(code, KREPIS_CODE_NO_CONSUMER);
  peer_free(peer);
  krepis_quic_stop_report(server, 0);
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(a_consumer_that_is_silent_is_closed_and_the_other_has_its_connections);
  RUN(one_whose_ring_is_full_finds_the_end_behind_it);
  RUN(a_closed_wake_socket_costs_no_new_connection);
  RUN(one_that_lags_gets_no_new_connection_as_long_as_another_keeps_up);
  RUN(one_that_calls_without_reading_is_kept);
  RUN(the_hundredth_consumer_that_dies_leaves_room_for_the_next);
  RUN(when_the_last_channel_is_closed_new_connections_are_closed);
  return check_summary();
}
