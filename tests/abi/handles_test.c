/* Handles that are stale, random or used by many threads at once. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "check.h"
#include "fixture.h"

enum { kThreads = 16, kServers = 32 };

/* xorshift64*: its seed is printed so that a failing run can be repeated. */
static uint64_t random_state;
static uint64_t next_random(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * UINT64_C(2685821657736338717);
}

static void expect_unknown(uint64_t handle) {
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_get_metrics(handle).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_connections(handle).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_info(handle).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_stop_report(handle, 0).error_code, KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_port(handle), 0);
}

static void handles_that_were_never_given_are_unknown(void) {
  static const uint64_t kHandles[] = {
      0, 1, 1023, 1024, UINT64_C(1) << 53, UINT64_MAX, UINT64_C(0x7fff00001000)};
  for (size_t i = 0; i < sizeof kHandles / sizeof kHandles[0]; ++i) {
    expect_unknown(kHandles[i]);
  }
}

static void a_stopped_handle_is_unknown_and_says_so(void) {
  char text[64];
  const uint64_t handle = start_server();
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  expect_unknown(handle);
  snprintf(text, sizeof text, "handle %" PRIu64, handle);
  CHECK_CONTAINS(krepis_last_error(), text);
}

static void a_stale_handle_does_not_reach_the_server_that_came_after(void) {
  const uint64_t stale = start_server();
  CHECK_EQUAL(krepis_quic_stop(stale).error_code, KREPIS_SUCCESS);
  const uint64_t next = start_server();
  CHECK(next != stale);
  expect_unknown(stale);
  CHECK_EQUAL(krepis_quic_get_stats(next).error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop(next).error_code, KREPIS_SUCCESS);
}

static void a_million_random_and_neighbouring_handles_are_unknown(void) {
  const uint64_t handle = start_server();
  random_state = (uint64_t)time(NULL) | 1;
  if (getenv("KNUL_TEST_SEED") != NULL) {
    random_state = strtoull(getenv("KNUL_TEST_SEED"), NULL, 10);
  }
  printf("seed %" PRIu64 " (KNUL_TEST_SEED runs it again)\n", random_state);
  for (int i = 0; i < 1000000; ++i) {
    const uint64_t bits = next_random();
    const uint64_t candidate = i % 2 == 0 ? bits : bits & 0xfffff; /* any, and close to real ones */
    if (candidate == handle) {
      continue;
    }
    const uint32_t code =
        i % 4 < 2 ? krepis_quic_get_stats(candidate).error_code : krepis_quic_stop(candidate).error_code;
    if (code != KREPIS_INVALID_POINTER) {
      CHECK_EQUAL(code, KREPIS_INVALID_POINTER);
      break;
    }
  }
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static uint64_t shared_handle;
static atomic_int winners;
static atomic_int others;
static atomic_bool is_over;
static pthread_barrier_t barrier;

static void* stop_shared(void* unused) {
  pthread_barrier_wait(&barrier);
  const uint32_t code = krepis_quic_stop(shared_handle).error_code;
  atomic_fetch_add(code == KREPIS_SUCCESS ? &winners : &others,
                   code == KREPIS_SUCCESS || code == KREPIS_INVALID_POINTER);
  return unused;
}

static void of_sixteen_concurrent_stops_exactly_one_succeeds(void) {
  for (int round = 0; round < 20; ++round) {
    pthread_t stoppers[kThreads];
    atomic_store(&winners, 0);
    atomic_store(&others, 0);
    shared_handle = start_server();
    pthread_barrier_init(&barrier, NULL, kThreads);
    for (int i = 0; i < kThreads; ++i) {
      REQUIRE(pthread_create(&stoppers[i], NULL, stop_shared, NULL) == 0);
    }
    for (int i = 0; i < kThreads; ++i) {
      pthread_join(stoppers[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
    CHECK_EQUAL(atomic_load(&winners), 1);
    CHECK_EQUAL(atomic_load(&others), kThreads - 1);
  }
}

/* Everything that reads, until told otherwise: each answer is whole or an unknown handle. */
static void* read_shared(void* unused) {
  pthread_barrier_wait(&barrier);
  while (!atomic_load(&is_over)) {
    const FfiResponse stats = krepis_quic_get_stats(shared_handle);
    if (stats.error_code == KREPIS_SUCCESS) {
      CHECK(json_number(text_of(stats), "uptime_ms") >= 0);
      CHECK_EQUAL(stats.result_buffer.data[stats.result_buffer.len - 1], '}');
    } else {
      CHECK_EQUAL(stats.error_code, KREPIS_INVALID_POINTER);
    }
    krepis_quic_info(shared_handle);
    krepis_quic_list();
    krepis_quic_get_metrics(shared_handle);
    const uint32_t code = krepis_quic_connections(shared_handle).error_code;
    CHECK(code == KREPIS_SUCCESS || code == KREPIS_INVALID_POINTER || code == KREPIS_TIMEOUT);
  }
  return unused;
}

static void statistics_may_be_read_while_the_server_stops(void) {
  for (int round = 0; round < 20; ++round) {
    pthread_t readers[4];
    atomic_store(&is_over, false);
    shared_handle = start_server();
    pthread_barrier_init(&barrier, NULL, 5);
    for (int i = 0; i < 4; ++i) {
      REQUIRE(pthread_create(&readers[i], NULL, read_shared, NULL) == 0);
    }
    pthread_barrier_wait(&barrier);
    CHECK_EQUAL(krepis_quic_stop(shared_handle).error_code, KREPIS_SUCCESS);
    CHECK_EQUAL(krepis_quic_get_stats(shared_handle).error_code, KREPIS_INVALID_POINTER);
    atomic_store(&is_over, true);
    for (int i = 0; i < 4; ++i) {
      pthread_join(readers[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
  }
}

static void thirty_two_servers_run_at_once_and_one_that_fails_harms_none(void) {
  uint64_t handles[kServers];
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  for (int i = 0; i < kServers; ++i) {
    handles[i] = start_server();
    if (i == kServers / 2) {
      FfiQuicConfig config = config_for(krepis_quic_port(handles[0]));
      CHECK_EQUAL(krepis_quic_start(&config).error_code, KREPIS_NETWORK_ERROR);
      config.key_path = text_buffer("/no/such/key");
      CHECK_EQUAL(krepis_quic_start(&config).error_code, KREPIS_INTERNAL);
    }
  }
  for (int i = 0; i < kServers; ++i) {
    CHECK_EQUAL(krepis_quic_get_stats(handles[i]).error_code, KREPIS_SUCCESS);
    for (int j = 0; j < i; ++j) {
      CHECK(handles[i] != handles[j]);
    }
  }
  for (int i = 0; i < kServers; ++i) {
    CHECK_EQUAL(krepis_quic_stop(handles[i]).error_code, KREPIS_SUCCESS);
  }
  CHECK_EQUAL(open_descriptors(), descriptors_before);
  CHECK_EQUAL(threads(), threads_before);
}

static void* fail_once(void* text) {
  krepis_quic_stop(7);
  snprintf(text, 64, "%s", krepis_last_error());
  return NULL;
}

static void error_texts_and_results_belong_to_their_thread(void) {
  char text[64] = "";
  pthread_t other;
  const uint64_t handle = start_server();
  CHECK_EQUAL(krepis_quic_stop(99).error_code, KREPIS_INVALID_POINTER);
  const FfiResponse mine = krepis_quic_get_stats(handle);
  REQUIRE(pthread_create(&other, NULL, fail_once, text) == 0);
  pthread_join(other, NULL);
  CHECK_CONTAINS(text, "handle 7 ");
  CHECK_CONTAINS(krepis_last_error(), "handle 99 ");
  CHECK_CONTAINS(text_of(mine), "\"uptime_ms\"");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  CHECK_CONTAINS(krepis_last_error(), "handle 99 "); /* a success leaves it */
}

int main(void) {
  fixture_set_up();
  RUN(handles_that_were_never_given_are_unknown);
  RUN(a_stopped_handle_is_unknown_and_says_so);
  RUN(a_stale_handle_does_not_reach_the_server_that_came_after);
  RUN(a_million_random_and_neighbouring_handles_are_unknown);
  RUN(of_sixteen_concurrent_stops_exactly_one_succeeds);
  RUN(statistics_may_be_read_while_the_server_stops);
  RUN(thirty_two_servers_run_at_once_and_one_that_fails_harms_none);
  RUN(error_texts_and_results_belong_to_their_thread);
  return check_summary();
}
