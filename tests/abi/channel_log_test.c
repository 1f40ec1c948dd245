/* The library's log as events of channels. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"

static char text[32 << 10]; /* larger than any event */

/* Waits for the next message of that kind, as JSON in `text`, and returns the event's flags. Fails if a message
 * comes twice in a row. */
static uint32_t await_message(Consumer* consumer, const char* kind) {
  static char last[sizeof text];
  last[0] = 0;
  for (;;) {
    const FfiEvent event = consumer_await(consumer, KREPIS_EVENT_LOG);
    REQUIRE(event.length > 0 && event.length < sizeof text);
    CHECK_EQUAL(event.connection, 0);
    memcpy(text, consumer_bytes(consumer, &event), event.length);
    text[event.length] = 0;
    consumer_release(consumer, &event);
    CHECK(strcmp(last, text) != 0);
    memcpy(last, text, sizeof last);
    if (strstr(text, kind) != NULL) {
      return event.flags;
    }
  }
}

/* A server that starts and stops is a message at "info". */
static void cause_a_message(void) {
  CHECK_EQUAL(krepis_quic_stop(start_server()).error_code, KREPIS_SUCCESS);
}

static int saved_standard_error;

static int replace_standard_error(void) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  saved_standard_error = dup(STDERR_FILENO);
  REQUIRE(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
  close(ends[1]);
  return ends[0];
}

static void put_standard_error_back(void) {
  REQUIRE(dup2(saved_standard_error, STDERR_FILENO) == STDERR_FILENO);
  close(saved_standard_error);
}

/* Reads until `wanted` is there. If it never comes, the runner's time limit ends the program. */
static void await_on(int reader, const char* wanted) {
  size_t length = 0;
  text[0] = 0;
  while (strstr(text, wanted) == NULL && length < sizeof text - 1) {
    const ssize_t got = read(reader, text + length, sizeof text - 1 - length);
    REQUIRE(got > 0);
    length += (size_t)got;
    text[length] = 0;
  }
}

static void each_channel_that_asks_gets_each_message(void) {
  Consumer first, second, silent;
  const uint64_t server = start_server_json("\"workers\":2");
  consumer_open(&first, server, NULL);
  consumer_open(&second, server, NULL);
  consumer_open(&silent, server, NULL);
  CHECK_EQUAL(krepis_channel_log(first.region.channel, 1), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_log(second.region.channel, 1), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_log(second.region.channel, 1), KREPIS_SUCCESS); /* no second copy */
  cause_a_message();
  CHECK_EQUAL(await_message(&first, "\"kind\":\"server_stopped\""), KREPIS_LOG_INFO);
  CHECK_EQUAL(await_message(&second, "\"kind\":\"server_stopped\""), KREPIS_LOG_INFO);
  CHECK_CONTAINS(text, "\"level\":\"info\",\"subsystem\":\"server\",");
  FfiEvent event;
  CHECK_EQUAL(consumer_poll(&silent, &event), 0);
  CHECK_EQUAL(krepis_quic_stop(server).error_code, KREPIS_SUCCESS);
  consumer_end(&first);
  consumer_end(&second);
  consumer_end(&silent);
}

static void a_message_that_no_channel_takes_goes_to_standard_error(void) {
  Consumer consumer;
  const uint64_t server = start_server();
  consumer_open(&consumer, server, NULL);
  CHECK_EQUAL(krepis_channel_log(consumer.region.channel, 1), KREPIS_SUCCESS);
  cause_a_message();
  await_message(&consumer, "server_stopped");
  const int reader = replace_standard_error();
  CHECK_EQUAL(krepis_channel_log(consumer.region.channel, 0), KREPIS_SUCCESS);
  cause_a_message();
  await_on(reader, "server_stopped");
  CHECK_EQUAL(krepis_channel_log(consumer.region.channel, 1), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_close(consumer.region.channel), KREPIS_SUCCESS);
  cause_a_message();
  await_on(reader, "server_stopped");
  put_standard_error_back();
  close(reader);
  CHECK_EQUAL(krepis_channel_unmap(consumer.region.channel), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop(server).error_code, KREPIS_SUCCESS);
}

static void wrong_calls_are_refused(void) {
  CHECK_EQUAL(krepis_channel_log(0, 1), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_log(0, 2), KREPIS_INVALID_REQUEST);
  CHECK_CONTAINS(krepis_last_error(), "enabled is 2, expected 0 or 1");
  Consumer consumer;
  const uint64_t server = start_server();
  consumer_open(&consumer, server, NULL);
  CHECK_EQUAL(krepis_channel_close(consumer.region.channel), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_log(consumer.region.channel, 1), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_unmap(consumer.region.channel), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop(server).error_code, KREPIS_SUCCESS);
}

int main(void) {
  setenv("KNUL_LOG", "info", 1); /* before the first call */
  fixture_set_up();
  RUN(each_channel_that_asks_gets_each_message);
  RUN(a_message_that_no_channel_takes_goes_to_standard_error);
  RUN(wrong_calls_are_refused);
  return check_summary();
}
