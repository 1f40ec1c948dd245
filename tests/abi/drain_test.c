/* Stop with traffic: the deadline, the report, and what may be asked meanwhile. */
#include <pthread.h>

#include "check.h"
#include "fixture.h"
#include "traffic.h"

static uint64_t handle;
static FfiResponse stopped; /* its buffer belongs to the thread that stopped */
static char report[512];

static void stop_with(uint64_t deadline_ms) {
  stopped = krepis_quic_stop_report(handle, deadline_ms);
  snprintf(report, sizeof report, "%s", text_of(stopped));
}

static void* stop_within_ten_seconds(void* unused) {
  stop_with(10000);
  return unused;
}

static void a_stream_that_stays_open_is_cut_at_the_deadline(void) {
  handle = start_server_json("\"service\":\"echo\"");
  Traffic* const traffic = traffic_connect(krepis_quic_port(handle));
  REQUIRE(traffic != NULL && traffic_hold_stream(traffic) == 0);
  const double before = seconds_now();
  stop_with(300);
  const double elapsed = seconds_now() - before;
  CHECK_EQUAL(stopped.error_code, KREPIS_TIMEOUT);
  CHECK_CONTAINS(krepis_last_error(), "deadline");
  CHECK_CONTAINS(report, "{\"clean\":false");
  CHECK_EQUAL(json_number(report, "streams_cut"), 1);
  CHECK_EQUAL(json_number(report, "connections_closed"), 1);
  CHECK(elapsed >= 0.3 && elapsed < 3); /* the exact bound is a test of the server, on a quiet machine */
  CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(traffic_wait_closed(traffic), 0);
  traffic_free(traffic);
}

static void the_frozen_stop_waits_for_the_setting_and_gives_no_buffer(void) {
  handle = start_server_json("\"service\":\"echo\",\"drain_timeout_ms\":200");
  Traffic* const traffic = traffic_connect(krepis_quic_port(handle));
  REQUIRE(traffic != NULL && traffic_hold_stream(traffic) == 0);
  const FfiResponse response = krepis_quic_stop(handle);
  CHECK_EQUAL(response.error_code, KREPIS_TIMEOUT);
  CHECK(response.result_buffer.data == NULL);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_INVALID_POINTER);
  traffic_free(traffic);
}

static void a_draining_server_answers_and_a_second_stop_does_not_find_it(void) {
  pthread_t stopper;
  handle = start_server_json("\"service\":\"echo\",\"workers\":1");
  Traffic* const idle = traffic_connect(krepis_quic_port(handle));
  Traffic* const traffic = traffic_connect(krepis_quic_port(handle));
  REQUIRE(idle != NULL && traffic != NULL && traffic_hold_stream(traffic) == 0);
  REQUIRE(pthread_create(&stopper, NULL, stop_within_ten_seconds, NULL) == 0);
  while (strstr(text_of(krepis_quic_info(handle)), "\"state\":\"draining\"") == NULL) {
  }
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_INVALID_POINTER);
  const FfiResponse stats = krepis_quic_get_stats(handle);
  CHECK_EQUAL(stats.error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(json_number(text_of(stats), "draining"), 1);
  CHECK_EQUAL(krepis_quic_get_metrics(handle).error_code, KREPIS_SUCCESS);
  CHECK(krepis_quic_port(handle) != 0);
  /* The worker has begun its drain when it closes the idle connection. */
  CHECK_EQUAL(traffic_wait_closed(idle), 0);
  traffic_free(idle);
  CHECK_EQUAL(traffic_finish_stream(traffic), 0);
  pthread_join(stopper, NULL);
  CHECK_EQUAL(stopped.error_code, KREPIS_SUCCESS);
  CHECK_CONTAINS(report, "{\"clean\":true");
  CHECK_EQUAL(json_number(report, "streams_completed"), 1);
  CHECK(json_number(report, "elapsed_ms") < 9000);
  CHECK_EQUAL(traffic_wait_closed(traffic), 0);
  traffic_free(traffic);
}

/* The client may have an answer before the server has counted it. */
static double wait_for_statistic(const char* name, double at_least) {
  const double deadline = seconds_now() + 10;
  double value = -1;
  while (value < at_least && seconds_now() < deadline) {
    value = json_number(text_of(krepis_quic_get_stats(handle)), name);
  }
  return value;
}

static FfiResponse page_of(const char* query) {
  return krepis_quic_connections_json(handle, query, strlen(query));
}

// Of a server with one connection, which has answered one request.
static void expect_pages(void) {
  const char* const page = text_of(page_of("{\"sort\":\"age_ms\",\"state\":\"active\",\"peer\":\"127.\"}"));
  CHECK_CONTAINS(page, "\"matches\":1,\"next\":null}");
  CHECK_CONTAINS(page, "\"requests\":1,");
  CHECK_CONTAINS(page, "\"cipher\":\"AES-");
  CHECK_CONTAINS(page, "\"limited_by\":\"application\"");
  CHECK_CONTAINS(page, "% of the time\"");
  CHECK_CONTAINS(text_of(page_of("{\"alpn\":\"other\"}")), "{\"connections\":[],\"matches\":0");
  CHECK_EQUAL(page_of("{\"limit\":0}").error_code, KREPIS_INVALID_REQUEST);
  CHECK_CONTAINS(krepis_last_error(), "limit is 0, expected 1 to 10000");
  CHECK_EQUAL(krepis_quic_connections_json(handle, NULL, 1).error_code, KREPIS_INVALID_POINTER);
  static char too_long[4097];
  memset(too_long, ' ', sizeof(too_long));
  CHECK_EQUAL(krepis_quic_connections_json(handle, too_long, sizeof(too_long)).error_code,
              KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_quic_connections_json(1, NULL, 0).error_code, KREPIS_INVALID_POINTER);
}

static void traffic_shows_in_the_statistics_and_among_the_connections(void) {
  handle = start_server_json("\"service\":\"echo\"");
  Traffic* const traffic = traffic_connect(krepis_quic_port(handle));
  REQUIRE(traffic != NULL);
  CHECK_EQUAL(traffic_echo(traffic, 10000), 0);
  CHECK_EQUAL(wait_for_statistic("total_requests", 1), 1);
  CHECK_EQUAL(wait_for_statistic("active_connections", 1), 1);
  CHECK(wait_for_statistic("total_bytes_in", 10000) >= 10000);
  CHECK(wait_for_statistic("total_bytes_out", 10000) >= 10000);
  CHECK(wait_for_statistic("avg_latency_ms", 1e-6) > 0);
  const char* const connections = text_of(krepis_quic_connections(handle));
  CHECK(connections[0] == '[' && connections[1] == '{');
  CHECK_CONTAINS(connections, "127.0.0.1:");
  expect_pages();
  traffic_free(traffic);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

int main(void) {
  fixture_set_up();
  RUN(traffic_shows_in_the_statistics_and_among_the_connections);
  RUN(a_stream_that_stays_open_is_cut_at_the_deadline);
  RUN(the_frozen_stop_waits_for_the_setting_and_gives_no_buffer);
  RUN(a_draining_server_answers_and_a_second_stop_does_not_find_it);
  return check_summary();
}
