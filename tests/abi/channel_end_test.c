/* Channels end in every order: by close, by a stop of their server, by a head that cannot be, by exit. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"
#include "peer.h"

static uint64_t server;
static Consumer consumer;
static Peer* peer;

static uint32_t channel(void) { return consumer.region.channel; }

static void set_up(const char* settings) {
  server = start_server_json(settings);
  consumer_open(&consumer, server, NULL);
  peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  consumer_await_connection(&consumer);
}

static void a_stop_that_was_begun_is_told_with_its_report(void) {
  set_up("\"workers\":2");
  CHECK_EQUAL(krepis_quic_stop_begin(server, 5000), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop_begin(server, 5000), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_stop(server).error_code, KREPIS_INVALID_POINTER);
  /* In any order, because each worker has a ring of its own. */
  int told = 0, closed = 0;
  FfiEvent event, stopped = {0};
  while (stopped.type == 0 || consumer_poll(&consumer, &event)) {
    REQUIRE(stopped.type != 0 || consumer_next(&consumer, &event));
    told += event.type == KREPIS_EVENT_DRAINING && event.value <= 5000;
    closed += event.type == KREPIS_EVENT_CONNECTION_CLOSED && event.flags == KREPIS_CLOSED_DRAIN;
    stopped = event.type == KREPIS_EVENT_SERVER_STOPPED ? event : stopped;
  }
  CHECK_EQUAL(told, 1);
  CHECK_EQUAL(closed, 1);
  CHECK_EQUAL(stopped.code, KREPIS_SUCCESS);
  CHECK_EQUAL(stopped.connection, 0);
  static char report[32 << 10]; /* an event brings no more */
  REQUIRE(stopped.length > 0 && stopped.length < sizeof report);
  memcpy(report, consumer_bytes(&consumer, &stopped), stopped.length);
  CHECK_CONTAINS(report, "{\"clean\":true,\"connections_closed\":1,");
  CHECK_CONTAINS(report, "\"stats\":{");
  consumer_release(&consumer, &stopped);
  CHECK_EQUAL(krepis_channel_wait(channel(), 0), 0);
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_SUCCESS); /* also without a close */
  peer_free(peer);
}

static void a_blocking_stop_tells_its_channels_too(void) {
  set_up("\"workers\":2");
  CHECK_EQUAL(peer_write(peer, peer_open(peer, 0), 10, 0), 0);
  const FfiEvent data = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  CHECK_EQUAL(krepis_quic_stop_report(server, 0).error_code, KREPIS_TIMEOUT);
  CHECK_EQUAL(krepis_channel_release(channel(), &data.offset, 1), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 0, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(consumer_await(&consumer, KREPIS_EVENT_SERVER_STOPPED).code, KREPIS_TIMEOUT);
  consumer_end(&consumer);
  peer_free(peer);
}

static void* close_when_it_drains(void* unused) {
  consumer_await(&consumer, KREPIS_EVENT_DRAINING);
  CHECK_EQUAL(krepis_channel_close(channel()), KREPIS_SUCCESS);
  return unused;
}

static void a_stop_whose_streams_were_cut_by_a_close_is_not_clean(void) {
  pthread_t thread;
  set_up("\"workers\":2");
  CHECK_EQUAL(peer_write(peer, peer_open(peer, 0), 10, 0), 0);
  consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  REQUIRE(pthread_create(&thread, NULL, close_when_it_drains, NULL) == 0);
  const double begin = seconds_now();
  const FfiResponse stopped = krepis_quic_stop_report(server, 60000);
  CHECK(seconds_now() - begin < 30); /* it did not wait for the deadline */
  CHECK_EQUAL(stopped.error_code, KREPIS_TIMEOUT);
  CHECK_CONTAINS(text_of(stopped),
                 "{\"clean\":false,\"connections_closed\":1,\"streams_completed\":0,\"streams_cut\":1,");
  CHECK_CONTAINS(krepis_last_error(), "1 streams were cut");
  pthread_join(thread, NULL);
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_SUCCESS);
  peer_free(peer);
}

static void a_full_ring_still_brings_the_end_of_the_server(void) {
  server = start_server_json("\"workers\":1,\"max_streams\":500");
  consumer_open(&consumer, server, &(FfiChannelConfig){.ring_records = 64});
  peer = peer_connect(krepis_quic_port(server));
  for (int i = 0; i < 200; ++i) {
    CHECK_EQUAL(peer_write(peer, peer_open(peer, 0), 10, 0), 0);
  }
  while (json_number(text_of(krepis_quic_get_stats(server)), "streams_active") < 200) {
    usleep(1000);
  }
  krepis_quic_stop_report(server, 0);
  uint32_t bytes = 0; /* those of a stream may come in two events */
  FfiEvent event = {0};
  while (event.type != KREPIS_EVENT_SERVER_STOPPED && consumer_next(&consumer, &event)) {
    bytes += event.type == KREPIS_EVENT_STREAM_DATA ? event.length : 0;
    consumer_release(&consumer, &event);
  }
  CHECK_EQUAL(bytes, 200 * 10);
  consumer_end(&consumer);
  peer_free(peer);
}

static void a_head_that_cannot_be_closes_this_channel_only(void) {
  Consumer other;
  Consumer* const first = &consumer;
  server = start_server_json("\"workers\":1");
  consumer_open(first, server, NULL);
  consumer_open(&other, server, NULL);
  peer = peer_connect(krepis_quic_port(server));
  Peer* const second = peer_connect(krepis_quic_port(server));
  const uint32_t connection = consumer_await_connection(first);
  consumer_await_connection(&other);
  CHECK_EQUAL(krepis_connection_close(channel(), connection + 1, 0, NULL, 0), KREPIS_INVALID_POINTER);
  atomic_store(consumer_word(first, 0, 64), 0x80000000u); /* from now on the channel may close at any time */
  const int32_t stream = krepis_stream_open(channel(), connection, 0); /* makes the worker look */
  CHECK(stream > 0 || stream == -KREPIS_INVALID_CONTEXT);
  const FfiEvent closed = consumer_await(first, KREPIS_EVENT_CHANNEL_CLOSED);
  CHECK_EQUAL(closed.code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_stream_open(channel(), connection, 0), (uint64_t)-KREPIS_INVALID_CONTEXT);
  const int64_t id = peer_open(second, 0);
  const int64_t alternative = peer_open(peer, 0);
  /* whoever of the two has the other channel */
  peer_write(second, id, 10, 1);
  peer_write(peer, alternative, 10, 1);
  const FfiEvent data = consumer_await(&other, KREPIS_EVENT_STREAM_DATA);
  consumer_release(&other, &data);
  consumer_end(&other);
  consumer_end(first);
  peer_free(peer);
  peer_free(second);
  CHECK_EQUAL(krepis_quic_stop_report(server, 0).error_code, KREPIS_SUCCESS);
}

static void* wait_for_events(void* result) {
  FfiEvent event;
  int32_t answer = 1;
  while (answer == 1) {
    while (consumer_poll(&consumer, &event)) {
    }
    answer = krepis_channel_wait(channel(), kPatienceMs);
  }
  *(int32_t*)result = answer;
  return NULL;
}

static void a_close_wakes_the_thread_that_waits(void) {
  pthread_t thread;
  int32_t answer = 0;
  server = start_server_json("\"workers\":1");
  consumer_open(&consumer, server, NULL);
  const double begin = seconds_now();
  REQUIRE(pthread_create(&thread, NULL, wait_for_events, &answer) == 0);
  CHECK_EQUAL(krepis_channel_close(channel()), KREPIS_SUCCESS);
  pthread_join(thread, NULL);
  CHECK(answer == -KREPIS_INVALID_CONTEXT || answer == -KREPIS_INVALID_POINTER);
  CHECK(seconds_now() - begin < 5);
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_SUCCESS);
  krepis_quic_stop_report(server, 0);
}

static void* wait_after_the_end(void* is_read) {
  FfiEvent event = {0};
  while (event.type != KREPIS_EVENT_SERVER_STOPPED && consumer_next(&consumer, &event)) {
    consumer_release(&consumer, &event);
  }
  const uint32_t handle = channel();
  atomic_store((atomic_int*)is_read, 1); /* the region is not looked at any more */
  return (void*)(intptr_t)krepis_channel_wait(handle, kPatienceMs);
}

static void an_unmap_wakes_the_thread_that_waits(void) {
  pthread_t thread;
  atomic_int is_read = 0;
  void* answer = NULL;
  server = start_server_json("\"workers\":1");
  consumer_open(&consumer, server, NULL);
  REQUIRE(pthread_create(&thread, NULL, wait_after_the_end, &is_read) == 0);
  CHECK_EQUAL(krepis_quic_stop_report(server, 0).error_code, KREPIS_SUCCESS);
  while (atomic_load(&is_read) == 0) {
    usleep(1000);
  }
  const double begin = seconds_now();
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_SUCCESS);
  CHECK(seconds_now() - begin < 5);
  pthread_join(thread, &answer);
  CHECK((intptr_t)answer == -KREPIS_INVALID_CONTEXT || (intptr_t)answer == -KREPIS_INVALID_POINTER);
}

static void a_wait_ends_after_its_time(void) {
  server = start_server_json("\"workers\":1");
  consumer_open(&consumer, server, NULL);
  const double begin = seconds_now();
  CHECK_EQUAL(krepis_channel_wait(channel(), 50), 0);
  CHECK(seconds_now() - begin >= 0.045);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void a_program_may_exit_with_an_open_channel(void) {
  const pid_t child = fork(); /* before this process uses the library */
  REQUIRE(child >= 0);
  if (child == 0) {
    set_up("\"workers\":2");
    krepis_quic_stop_begin(server, 1000);
    exit(0);
  }
  int status = -1;
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_fork_of_the_program_has_no_channel(void) {
  set_up("\"workers\":1");
  const pid_t child = fork();
  if (child == 0) {
    const int is_well = krepis_channel_arm(channel()) == -KREPIS_INVALID_CONTEXT &&
                        krepis_channel_close(channel()) == KREPIS_INVALID_CONTEXT;
    _exit(is_well ? 0 : 1);
  }
  int status = -1;
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_EQUAL(krepis_channel_arm(channel()), 0);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(a_program_may_exit_with_an_open_channel);
  RUN(a_stop_that_was_begun_is_told_with_its_report);
  RUN(a_blocking_stop_tells_its_channels_too);
  RUN(a_stop_whose_streams_were_cut_by_a_close_is_not_clean);
  RUN(a_full_ring_still_brings_the_end_of_the_server);
  RUN(a_head_that_cannot_be_closes_this_channel_only);
  RUN(a_close_wakes_the_thread_that_waits);
  RUN(an_unmap_wakes_the_thread_that_waits);
  RUN(a_wait_ends_after_its_time);
  RUN(a_fork_of_the_program_has_no_channel);
  return check_summary();
}
