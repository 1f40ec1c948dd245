/* What a consumer in C is told, and what its calls do, against a client of this library. */
#define _GNU_SOURCE
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"
#include "peer.h"

static uint64_t server;
static Consumer consumer;
static Peer* peer;
static uint32_t connection;

static uint32_t channel(void) { return consumer.region.channel; }

static void set_up_with(const FfiChannelConfig* config, const char* settings) {
  server = start_server_json(settings);
  consumer_open(&consumer, server, config);
  peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  connection = consumer_await_connection(&consumer);
}

static void set_up(void) { set_up_with(NULL, "\"workers\":2"); }

static void tear_down(void) {
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static uint32_t unread_events(void) {
  uint32_t unread = 0;
  for (uint32_t ring = 0; ring < consumer.region.rings; ++ring) {
    unread += atomic_load(consumer_word(&consumer, ring, 0)) - consumer.heads[ring];
  }
  return unread;
}

/* Waits until so many events are in the rings; reads none. */
static void await_unread(uint32_t count) {
  for (uint32_t waited_ms = 0; unread_events() < count; ++waited_ms) {
    REQUIRE(waited_ms < kPatienceMs);
    usleep(1000);
  }
}

static void write_pattern(uint32_t stream, uint32_t from, uint32_t length, uint32_t flags) {
  uint8_t bytes[8192];
  REQUIRE(length <= sizeof bytes);
  for (uint32_t i = 0; i < length; ++i) {
    bytes[i] = peer_pattern(from + i);
  }
  CHECK_EQUAL(krepis_stream_write(channel(), stream, bytes, length, flags), length);
}

static int is_pattern(const FfiEvent* event, uint64_t from) {
  const uint8_t* const bytes = consumer_bytes(&consumer, event);
  for (uint32_t i = 0; i < event->length; ++i) {
    if (bytes[i] != peer_pattern(from + i)) {
      return 0;
    }
  }
  return 1;
}

static void a_stream_of_the_peer_is_told_answered_and_closed(void) {
  set_up();
  const int64_t id = peer_open(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, 100, 1), 0);
  const FfiEvent data = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  CHECK_EQUAL(data.connection, connection);
  CHECK(data.stream > 0 && data.stream < 0x80000000u);
  CHECK_EQUAL(data.flags, KREPIS_FLAG_OPENED | KREPIS_FLAG_FIN);
  CHECK_EQUAL(data.length, 100);
  CHECK_EQUAL(data.offset % 64, 0);
  CHECK(data.stream_id == (double)id);
  CHECK(data.timestamp_us > 0);
  CHECK(is_pattern(&data, 0));
  write_pattern(data.stream, 0, 3000, KREPIS_WRITE_LATER);
  write_pattern(data.stream, 3000, 64, KREPIS_WRITE_LATER | KREPIS_WRITE_FIN);
  CHECK_EQUAL(krepis_channel_flush(channel()), KREPIS_SUCCESS);
  consumer_release(&consumer, &data);
  uint64_t length = 0;
  CHECK_EQUAL(peer_wait_fin(peer, id, &length), 0);
  CHECK_EQUAL(length, 3064);
  const FfiEvent closed = consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED);
  CHECK_EQUAL(closed.stream, data.stream);
  CHECK_EQUAL(closed.flags, KREPIS_FLAG_CLEAN);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 0, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  tear_down();
}

static void megabytes_come_and_go_in_order(void) {
  enum { kBytes = 8 << 20 };
  set_up_with(&(FfiChannelConfig){.ring_records = 64, .arena_bytes = 1 << 20}, "\"workers\":1");
  const int64_t id = peer_open(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, kBytes, 1), 0);
  uint64_t received = 0;
  uint32_t stream = 0;
  for (int is_over = 0; !is_over;) {
    const FfiEvent event = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
    CHECK(is_pattern(&event, received));
    received += event.length;
    stream = event.stream;
    is_over = (event.flags & KREPIS_FLAG_FIN) != 0;
    consumer_release(&consumer, &event);
  }
  CHECK_EQUAL(received, kBytes);
  static uint8_t bytes[kBytes];
  for (uint32_t i = 0; i < kBytes; ++i) {
    bytes[i] = peer_pattern(i);
  }
  for (uint32_t sent = 0; sent < kBytes;) {
    const int32_t taken =
        krepis_stream_write(channel(), stream, bytes + sent, kBytes - sent, KREPIS_WRITE_FIN);
    REQUIRE(taken >= 0);
    sent += (uint32_t)taken;
    if (sent < kBytes) {
      const FfiEvent writable = consumer_await(&consumer, KREPIS_EVENT_STREAM_WRITABLE);
      CHECK(writable.value >= (64 << 10)); /* half of what a connection may hold at first */
      CHECK_EQUAL(writable.stream, stream);
    }
  }
  uint64_t length = 0;
  CHECK_EQUAL(peer_wait_fin(peer, id, &length), 0);
  CHECK_EQUAL(length, kBytes);
  consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED);
  tear_down();
}

static void resets_and_stop_sending_are_told_with_their_codes(void) {
  set_up();
  const int64_t id = peer_open(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, 10, 0), 0);
  const FfiEvent data = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  consumer_release(&consumer, &data);
  CHECK_EQUAL(peer_reset(peer, id, 71), 0);
  const FfiEvent reset = consumer_await(&consumer, KREPIS_EVENT_STREAM_RESET);
  CHECK_EQUAL(reset.code, 71);
  CHECK_EQUAL(reset.stream, data.stream);
  CHECK_EQUAL(peer_stop_sending(peer, id, 72), 0);
  const FfiEvent stopped = consumer_await(&consumer, KREPIS_EVENT_STOP_SENDING);
  CHECK_EQUAL(stopped.code, 72);
  CHECK_EQUAL(stopped.stream, data.stream);
  CHECK_EQUAL(consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED).flags, 0);
  tear_down();
}

static void the_program_resets_and_stops_streams(void) {
  set_up();
  const int64_t id = peer_open(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, 10, 0), 0);
  const FfiEvent data = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  CHECK_EQUAL(krepis_stream_reset(channel(), data.stream, 81), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_stream_stop_sending(channel(), data.stream, 82), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 0, 0), (uint64_t)-KREPIS_INVALID_CONTEXT);
  uint64_t code = 0;
  CHECK_EQUAL(peer_wait_reset(peer, id, &code), 0);
  CHECK_EQUAL(code, 81);
  CHECK_EQUAL(peer_wait_stop_sending(peer, id, &code), 0);
  CHECK_EQUAL(code, 82);
  consumer_release(&consumer, &data);
  CHECK_EQUAL(consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED).flags, 0);
  tear_down();
}

static void the_program_opens_streams(void) {
  set_up();
  const int32_t stream = krepis_stream_open(channel(), connection, 1);
  CHECK(stream > 0);
  write_pattern((uint32_t)stream, 0, 500, KREPIS_WRITE_FIN);
  const FfiEvent opened = consumer_await(&consumer, KREPIS_EVENT_STREAM_OPENED);
  CHECK_EQUAL(opened.stream, stream);
  CHECK_EQUAL((int64_t)opened.stream_id & 3, 3);
  uint64_t length = 0;
  CHECK_EQUAL(peer_wait_fin(peer, (int64_t)opened.stream_id, &length), 0);
  CHECK_EQUAL(length, 500);
  const FfiEvent closed = consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED);
  CHECK_EQUAL(closed.stream, stream);
  CHECK_EQUAL(closed.flags, KREPIS_FLAG_CLEAN);
  tear_down();
}

static void a_bidirectional_stream_of_the_program_brings_the_answer(void) {
  set_up();
  const int32_t stream = krepis_stream_open(channel(), connection, 0);
  write_pattern((uint32_t)stream, 0, 5, KREPIS_WRITE_FIN);
  const int64_t id = peer_wait_opened(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, 2000, 1), 0);
  const FfiEvent answer = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  CHECK_EQUAL(answer.stream, stream);
  CHECK_EQUAL(answer.flags & KREPIS_FLAG_OPENED, 0);
  CHECK(is_pattern(&answer, 0));
  consumer_release(&consumer, &answer);
  consumer_await(&consumer, KREPIS_EVENT_STREAM_CLOSED);
  tear_down();
}

static void datagrams_go_both_ways_and_tell_their_fate(void) {
  set_up();
  CHECK_EQUAL(peer_send_datagram(peer, 700), 0);
  const FfiEvent datagram = consumer_await(&consumer, KREPIS_EVENT_DATAGRAM);
  CHECK_EQUAL(datagram.length, 700);
  CHECK_EQUAL(datagram.connection, connection);
  CHECK(is_pattern(&datagram, 0));
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, consumer_bytes(&consumer, &datagram), 700,
                                   KREPIS_DATAGRAM_DROP_OLDEST | KREPIS_DATAGRAM_REPORT_FATE, 0, 4711),
              1);
  consumer_release(&consumer, &datagram);
  CHECK_EQUAL(peer_wait_datagrams(peer, 1), 0);
  const FfiEvent fate = consumer_await(&consumer, KREPIS_EVENT_DATAGRAM_FATE);
  CHECK_EQUAL(fate.value, 4711);
  CHECK_EQUAL(fate.flags, KREPIS_DATAGRAM_ACKNOWLEDGED);
  tear_down();
}

static void the_end_of_a_connection_says_who_and_why(void) {
  set_up();
  CHECK_EQUAL(peer_close(peer, 1234), 0);
  const FfiEvent closed = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_CLOSED);
  CHECK_EQUAL(closed.connection, connection);
  CHECK_EQUAL(closed.flags, KREPIS_CLOSED_PEER_APPLICATION);
  CHECK_EQUAL(closed.code, 1234);
  CHECK_EQUAL(closed.length, strlen("the peer is done"));
  CHECK(memcmp(consumer_bytes(&consumer, &closed), "the peer is done", closed.length) == 0);
  consumer_release(&consumer, &closed);
  CHECK_EQUAL(krepis_connection_close(channel(), connection, 0, NULL, 0), KREPIS_INVALID_POINTER);
  tear_down();
}

static void the_program_closes_a_connection(void) {
  set_up();
  CHECK_EQUAL(krepis_connection_close(channel(), connection, 4321, "bye", 3), KREPIS_SUCCESS);
  uint64_t code = 0;
  CHECK_EQUAL(peer_wait_closed(peer, &code), 0);
  CHECK_EQUAL(code, 4321);
  const FfiEvent closed = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_CLOSED);
  CHECK_EQUAL(closed.flags, KREPIS_CLOSED_LOCAL_APPLICATION);
  tear_down();
}

static void the_opening_says_who_came(void) {
  server = start_server_json("\"workers\":2");
  consumer_open(&consumer, server, NULL);
  peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  const FfiEvent opened = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_OPENED);
  char text[200] = "";
  REQUIRE(opened.length > 0 && opened.length < sizeof text);
  memcpy(text, consumer_bytes(&consumer, &opened), opened.length);
  FfiResponse response;
  CHECK_EQUAL(krepis_connection_info_into(channel(), opened.connection, &response), KREPIS_SUCCESS);
  /* The figures of the answer begin where the event's JSON ends. */
  CHECK_EQUAL(strncmp(text_of(response), text, strlen(text) - 1), 0);
  CHECK_CONTAINS(text, "\"peer\":\"127.0.0.1:");
  CHECK_CONTAINS(text, "\"alpn\":\"knul\",\"server_name\":\"localhost\"}");
  consumer_release(&consumer, &opened);
  CHECK_EQUAL(krepis_channel_release(channel(), &opened.offset, 1), KREPIS_INVALID_REQUEST);
  tear_down();
}

/* What a program meets that reads of a connection after the peer has closed it. */
static void a_connection_that_ended_unread_can_be_asked_but_not_used(void) {
  server = start_server_json("\"workers\":2");
  consumer_open(&consumer, server, NULL);
  peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  CHECK_EQUAL(peer_close(peer, 9), 0);
  await_unread(2);
  connection = consumer_await_connection(&consumer);
  FfiResponse response;
  CHECK_EQUAL(krepis_connection_info_into(channel(), connection, &response), KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(response), "\"peer\":\"127.0.0.1:");
  CHECK_EQUAL(krepis_connection_close(channel(), connection, 0, NULL, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_open(channel(), connection, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, (const uint8_t*)"a", 1, 0, 0, 0),
              (uint64_t)-KREPIS_INVALID_POINTER);
  const FfiEvent closed = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_CLOSED);
  CHECK_EQUAL(closed.connection, connection);
  CHECK_EQUAL(closed.code, 9);
  consumer_release(&consumer, &closed);
  uint32_t waited_ms = 0;
  while (krepis_connection_info_into(channel(), connection, &response) == KREPIS_SUCCESS) {
    REQUIRE(++waited_ms < kPatienceMs);
    krepis_channel_arm(channel()); /* the worker looks at heads */
    usleep(1000);
  }
  tear_down();
}

static void what_a_stream_and_a_connection_are_can_be_asked(void) {
  set_up();
  const int64_t id = peer_open(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, 10, 0), 0);
  const FfiEvent data = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  FfiResponse response;
  CHECK_EQUAL(krepis_stream_info_into(channel(), data.stream, &response), KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(response), "\"direction\":\"bidirectional\",\"opened_by\":\"peer\"");
  CHECK(json_number(text_of(response), "stream_id") == (double)id);
  CHECK(json_number(text_of(response), "connection") == (double)connection);
  CHECK_EQUAL(krepis_connection_info_into(channel(), connection, &response), KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(response), "\"alpn\":\"knul\",\"server_name\":\"localhost\"");
  CHECK_CONTAINS(text_of(response), "\"peer\":\"127.0.0.1:");
  CHECK(json_number(text_of(response), "max_datagram_bytes") > 1000);
  CHECK_EQUAL(krepis_channel_info_into(channel(), &response), KREPIS_SUCCESS);
  CHECK(json_number(text_of(response), "connections") == 1);
  CHECK(json_number(text_of(response), "streams") == 1);
  consumer_release(&consumer, &data);
  tear_down();
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(a_stream_of_the_peer_is_told_answered_and_closed);
  RUN(megabytes_come_and_go_in_order);
  RUN(resets_and_stop_sending_are_told_with_their_codes);
  RUN(the_program_resets_and_stops_streams);
  RUN(the_program_opens_streams);
  RUN(a_bidirectional_stream_of_the_program_brings_the_answer);
  RUN(datagrams_go_both_ways_and_tell_their_fate);
  RUN(the_end_of_a_connection_says_who_and_why);
  RUN(the_program_closes_a_connection);
  RUN(the_opening_says_who_came);
  RUN(a_connection_that_ended_unread_can_be_asked_but_not_used);
  RUN(what_a_stream_and_a_connection_are_can_be_asked);
  return check_summary();
}
