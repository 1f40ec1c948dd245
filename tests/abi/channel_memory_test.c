/* What a channel keeps for its peers is in a budget and in the statistics, and costs only the peers that it
 * is kept for: write queues, parked bytes, datagrams. KNUL_LONG_TESTS=1 adds 20 connections that ask for 4
 * GB. */
#define _GNU_SOURCE
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"
#include "peer.h"

enum { kMiB = 1 << 20, kSlots = 1 << 20, kAnswer = 2 * kMiB };

static uint64_t server;
static Consumer consumer;
static uint8_t* answer;       /* kAnswer bytes of the pattern */
static uint32_t sent[kSlots]; /* of the answer, by the slot of its stream */

static uint32_t channel(void) { return consumer.region.channel; }

static double statistic(const char* name) {
  return json_number(text_of(krepis_quic_get_stats(server)), name);
}

static void set_up(const FfiChannelConfig* config, const char* settings) {
  server = start_server_json(settings);
  consumer_open(&consumer, server, config);
}

static void tear_down(void) {
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static Peer* connect_peer(void) {
  Peer* const peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  return peer;
}

/* --- A program that answers each request, as far as its stream takes it. */

static void write_answer(uint32_t stream) {
  uint32_t* const at = &sent[stream & (kSlots - 1)];
  if (*at < kAnswer) {
    const int32_t taken =
        krepis_stream_write(channel(), stream, answer + *at, kAnswer - *at, KREPIS_WRITE_FIN);
    *at += taken > 0 ? (uint32_t)taken : 0;
  }
}

/* Until nothing has come for `quiet` seconds, or the number of closed streams is reached. */
static int serve(double quiet, int until_closed) {
  FfiEvent event;
  int closed = 0;
  for (double last = seconds_now(); seconds_now() - last < quiet && closed < until_closed;) {
    while (consumer_poll(&consumer, &event)) {
      last = seconds_now();
      if (event.type == KREPIS_EVENT_STREAM_DATA && (event.flags & KREPIS_FLAG_FIN) != 0) {
        sent[event.stream & (kSlots - 1)] = 0;
        write_answer(event.stream);
      } else if (event.type == KREPIS_EVENT_STREAM_WRITABLE) {
        write_answer(event.stream);
      }
      closed += event.type == KREPIS_EVENT_STREAM_CLOSED;
      consumer_release(&consumer, &event);
    }
    krepis_channel_wait(channel(), 20);
  }
  return closed;
}

static double resident_bytes(void) {
  long pages = 0, resident = 0;
  FILE* const file = fopen("/proc/self/statm", "r");
  REQUIRE(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2);
  fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* What a peer that reads nothing makes the server keep. */
static void ask(Peer* peer, int requests, int64_t* ids) {
  for (int i = 0; i < requests; ++i) {
    ids[i] = peer_open(peer, 0);
    REQUIRE(ids[i] >= 0 && peer_write(peer, ids[i], 10, 1) == 0);
  }
}

static void check_answers(Peer* peer, int requests, const int64_t* ids) {
  uint64_t length = 0;
  for (int i = 0; i < requests; ++i) {
    REQUIRE(peer_wait_fin(peer, ids[i], &length) == 0);
    CHECK_EQUAL(length, kAnswer);
  }
}

static void write_queues_share_a_budget_and_lose_nothing(void) {
  enum { kPeers = 4, kRequests = 40, kBudget = 8 * kMiB };
  Peer* peers[kPeers];
  int64_t ids[kPeers][kRequests], id = 0;
  set_up(NULL, "\"workers\":2,\"server_write_queue_bytes\":8388608,\"connection_send_buffer_bytes\":1048576");
  for (int i = 0; i < kPeers; ++i) {
    peers[i] = connect_peer();
    CHECK_EQUAL(peer_hold(peers[i], 1), 0);
    ask(peers[i], kRequests, ids[i]);
  }
  const int closed = serve(2, kPeers * kRequests); /* until nobody takes anything any more */
  const double floors = kPeers * (16 << 10) + kPeers * kRequests * (2 << 10);
  const double queued = statistic("channel_queued_bytes");
  CHECK(queued > kBudget / 4);
  CHECK(queued <= kBudget + floors);
  Peer* const newcomer = connect_peer();
  ask(newcomer, 1, &id);
  CHECK_EQUAL(serve(20, 1), 1);
  check_answers(newcomer, 1, &id);
  for (int i = 0; i < kPeers; ++i) {
    CHECK_EQUAL(peer_hold(peers[i], 0), 0);
  }
  CHECK_EQUAL(closed + serve(20, kPeers * kRequests - closed), kPeers * kRequests);
  for (int i = 0; i < kPeers; ++i) {
    check_answers(peers[i], kRequests, ids[i]);
    peer_free(peers[i]);
  }
  peer_free(newcomer);
  CHECK(statistic("channel_queued_bytes") == 0);
  tear_down();
}

static void peers_that_leave_give_back_what_was_queued_for_them(void) {
  enum { kPeers = 3, kRequests = 20 };
  set_up(NULL, "\"workers\":1,\"server_write_queue_bytes\":4194304,\"connection_send_buffer_bytes\":65536");
  for (int i = 0; i < kPeers; ++i) {
    int64_t ids[kRequests];
    Peer* const peer = connect_peer();
    CHECK_EQUAL(peer_hold(peer, 1), 0);
    ask(peer, kRequests, ids);
    serve(0.5, kRequests);
    CHECK(statistic("channel_queued_bytes") > 300 << 10); /* 128 KiB, and 16 KiB of most streams */
    for (int j = 0; j < kRequests / 2; ++j) {             /* some streams end before their connection */
      CHECK_EQUAL(peer_stop_sending(peer, ids[j], 1), 0);
    }
    peer_close(peer, 0);
    peer_free(peer);
    consumer_await(&consumer, KREPIS_EVENT_CONNECTION_CLOSED);
    CHECK(statistic("channel_queued_bytes") == 0);
  }
  tear_down();
}

/* 20 x 100 answers of 2 MiB to peers that read nothing: once 2 GB in queues of which no statistic told. */
static void what_the_statistics_show_bounds_the_memory(void) {
  enum { kPeers = 20, kRequests = 100 };
  if (getenv("KNUL_LONG_TESTS") == NULL) {
    printf("     (left out without KNUL_LONG_TESTS)\n");
    return;
  }
  static Peer* peers[kPeers];
  static int64_t ids[kRequests];
  set_up(NULL, NULL);
  const double before = resident_bytes();
  for (int i = 0; i < kPeers; ++i) {
    peers[i] = connect_peer();
    CHECK_EQUAL(peer_hold(peers[i], 1), 0);
    ask(peers[i], kRequests, ids);
  }
  serve(5, kPeers * kRequests);
  const double queued = statistic("channel_queued_bytes"), buffered = statistic("send_buffer_bytes");
  const double region = statistic("channel_region_bytes"), spare = statistic("channel_spare_bytes");
  const double grown = resident_bytes() - before;
  printf("     grown by %.0f MiB: queued %.0f, send buffers %.0f, regions at most %.0f, spare %.0f\n",
         grown / kMiB, queued / kMiB, buffered / kMiB, region / kMiB, spare / kMiB);
  CHECK(queued <= 256.0 * kMiB + kPeers * (16 << 10) + kPeers * kRequests * (2 << 10));
  /* A buffer may be a third larger than its bytes; the clients' own memory is in it as well. */
  CHECK(grown < 1.5 * (queued + buffered) + region + spare + 100.0 * kMiB);
  for (int i = 0; i < kPeers; ++i) {
    peer_free(peers[i]);
  }
  tear_down();
}

/* --- Received bytes. */

static void the_connection_with_the_most_parked_bytes_is_closed_first(void) {
  enum { kThin = 30, kMostHeld = 1 << 17 };
  static uint32_t held[kMostHeld];
  Peer* thin[kThin];
  uint64_t code = 0;
  int held_count = 0, fins = 0;
  FfiEvent event;
  set_up(&(FfiChannelConfig){.arena_bytes = kMiB},
         "\"workers\":1,\"initial_max_data_bytes\":50331648,\"initial_max_stream_data_bytes\":50331648,"
         "\"max_window_bytes\":50331648,\"max_stream_window_bytes\":50331648");
  Peer* const fat = connect_peer();
  CHECK_EQUAL(peer_write(fat, peer_open(fat, 1), 40 * kMiB, 1), 0);
  while (statistic("channel_parked_bytes") < 38 * kMiB) {
    while (consumer_poll(&consumer, &event)) {
      held[held_count++] = event.offset;
    }
    krepis_channel_wait(channel(), 10);
  }
  for (int i = 0; i < kThin; ++i) {
    thin[i] = connect_peer();
    CHECK_EQUAL(peer_write(thin[i], peer_open(thin[i], 1), kMiB, 1), 0);
  }
  CHECK_EQUAL(peer_wait_closed(fat, &code), 0);
  CHECK_EQUAL(code, KREPIS_CODE_OVERLOADED);
  CHECK(statistic("channel_parked_bytes") <= 64 * kMiB);
  CHECK_EQUAL(krepis_channel_release(channel(), held, (uint32_t)held_count), KREPIS_SUCCESS);
  while (fins < kThin && consumer_next(&consumer, &event)) {
    fins += event.type == KREPIS_EVENT_STREAM_DATA && (event.flags & KREPIS_FLAG_FIN) != 0;
    consumer_release(&consumer, &event);
  }
  CHECK_EQUAL(fins, kThin);
  for (int i = 0; i < kThin; ++i) {
    peer_free(thin[i]);
  }
  peer_free(fat);
  tear_down();
}

/* --- Datagrams. */

static void await_statistic(const char* name, double value) {
  for (const double begin = seconds_now(); statistic(name) < value && seconds_now() - begin < 20;) {
    usleep(1000);
  }
  CHECK(statistic(name) == value);
}

static void datagrams_that_nobody_takes_are_counted(void) {
  server = start_server_json("\"workers\":1");
  Peer* const peer = connect_peer(); /* before the first channel: it has none */
  for (int i = 0; i < 10; ++i) {
    CHECK_EQUAL(peer_send_datagram(peer, 100), 0);
  }
  await_statistic("datagrams_received", 10);
  await_statistic("datagrams_dropped", 10);
  peer_free(peer);
  krepis_quic_stop_report(server, 0);
}

static void datagrams_wait_in_the_budget(void) {
  enum { kBytes = 1000 };
  static uint8_t bytes[kBytes];
  int taken = 0;
  set_up(NULL, "\"workers\":1,\"server_write_queue_bytes\":65536,\"datagram_queue\":65536");
  Peer* const peer = connect_peer();
  const FfiEvent opened = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_OPENED);
  consumer_release(&consumer, &opened);
  /* Faster than the worker may take them, or not: what was refused is told of, and all that was taken
   * arrives. */
  for (int i = 0; i < 3000; ++i) {
    const int32_t result =
        krepis_datagram_send(channel(), opened.connection, bytes, kBytes, KREPIS_DATAGRAM_BLOCK, 0, 0);
    REQUIRE(result >= 0);
    taken += result;
    CHECK(statistic("channel_queued_bytes") <= 65536 + (16 << 10) + kBytes);
    if (result == 0) {
      consumer_await(&consumer, KREPIS_EVENT_DATAGRAM_WRITABLE);
    }
  }
  CHECK(taken > 2000);
  peer_close(peer, 0);
  peer_free(peer);
  consumer_await(&consumer, KREPIS_EVENT_CONNECTION_CLOSED);
  CHECK(statistic("channel_queued_bytes") == 0);
  tear_down();
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  answer = malloc(kAnswer);
  REQUIRE(answer != NULL);
  for (uint32_t i = 0; i < kAnswer; ++i) {
    answer[i] = peer_pattern(i);
  }
  RUN(write_queues_share_a_budget_and_lose_nothing);
  RUN(peers_that_leave_give_back_what_was_queued_for_them);
  RUN(what_the_statistics_show_bounds_the_memory);
  RUN(the_connection_with_the_most_parked_bytes_is_closed_first);
  RUN(datagrams_that_nobody_takes_are_counted);
  RUN(datagrams_wait_in_the_budget);
  free(answer);
  return check_summary();
}
