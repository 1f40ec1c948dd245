/* What the library does to its process: no signal handlers, no unblocked signals in its threads, no inherited
 * descriptors; and what the process may do to it: interrupt, cancel, run out of descriptors. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

static void signal_handlers_stay_as_they_were(void) {
  static struct sigaction before[65];
  for (int signal = 1; signal < 65; ++signal) {
    sigaction(signal, NULL, &before[signal]);
  }
  const uint64_t handle = start_server();
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  for (int signal = 1; signal < 65; ++signal) {
    struct sigaction after;
    if (sigaction(signal, NULL, &after) == 0) {
      CHECK(after.sa_handler == before[signal].sa_handler);
    }
  }
}

/* "SigBlk" of a thread: one bit for each signal. */
static uint64_t blocked_signals(const char* thread) {
  char path[64];
  char line[256];
  uint64_t mask = 0;
  snprintf(path, sizeof path, "/proc/self/task/%.20s/status", thread);
  FILE* const file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "SigBlk:", 7) == 0) {
      mask = strtoull(line + 7, NULL, 16);
    }
  }
  if (file != NULL) {
    fclose(file);
  }
  return mask;
}

static int threads_that_block_every_signal(void) {
  /* KILL and STOP cannot be blocked; 32 to 34 are glibc's own, which pthread_sigmask leaves out. */
  const uint64_t expected = ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 7ull << 31);
  int blocking = 0;
  DIR* const folder = opendir("/proc/self/task");
  for (const struct dirent* entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    blocking += entry->d_name[0] != '.' && (blocked_signals(entry->d_name) & expected) == expected;
  }
  closedir(folder);
  return blocking;
}

static void the_threads_of_the_library_block_every_signal(void) {
  const int threads_before = threads(); /* a sanitizer may have one of its own */
  const int blocking_before = threads_that_block_every_signal();
  const uint64_t handle = start_server();
  const int started = threads() - threads_before;
  CHECK(started > 0);
  CHECK_EQUAL(threads_that_block_every_signal() - blocking_before, started);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void every_descriptor_of_the_library_is_closed_on_exec(void) {
  int is_mine[1024] = {0};
  int checked = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    is_mine[fd] = fcntl(fd, F_GETFD) >= 0;
  }
  const uint64_t handle = start_server();
  for (int fd = 0; fd < 1024; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && !is_mine[fd]) {
      CHECK((flags & FD_CLOEXEC) != 0);
      ++checked;
    }
  }
  CHECK(checked > 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static volatile sig_atomic_t alarms;
static void count_alarm(int signal) {
  (void)signal;
  ++alarms;
}

static void a_storm_of_signals_disturbs_no_call(void) {
  const struct sigaction counting = {.sa_handler = count_alarm}; /* no SA_RESTART: calls see EINTR */
  const struct itimerval storm = {.it_interval = {0, 200}, .it_value = {0, 200}};
  const struct itimerval calm = {{0, 0}, {0, 0}};
  struct sigaction former;
  sigaction(SIGALRM, &counting, &former);
  setitimer(ITIMER_REAL, &storm, NULL);
  for (int i = 0; i < 20; ++i) {
    const uint64_t handle = start_server();
    CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_SUCCESS);
    CHECK_EQUAL(krepis_quic_connections(handle).error_code, KREPIS_SUCCESS);
    CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  }
  setitimer(ITIMER_REAL, &calm, NULL);
  sigaction(SIGALRM, &former, NULL);
  CHECK(alarms > 0);
}

static uint64_t cancelled_handle;
static pthread_barrier_t barrier;
static volatile uint32_t cancelled_code;

static void* stop_while_cancelled(void* unused) {
  pthread_barrier_wait(&barrier); /* the cancellation is pending from here on */
  pthread_barrier_wait(&barrier);
  cancelled_code = krepis_quic_stop(cancelled_handle).error_code;
  pthread_testcancel();
  return unused;
}

static void a_cancelled_thread_finishes_its_call_first(void) {
  pthread_t thread;
  void* result = NULL;
  cancelled_handle = start_server();
  cancelled_code = 1;
  pthread_barrier_init(&barrier, NULL, 2);
  REQUIRE(pthread_create(&thread, NULL, stop_while_cancelled, NULL) == 0);
  pthread_barrier_wait(&barrier);
  pthread_cancel(thread);
  pthread_barrier_wait(&barrier);
  pthread_join(thread, &result);
  pthread_barrier_destroy(&barrier);
  CHECK_EQUAL(cancelled_code, KREPIS_SUCCESS);
  CHECK(result == PTHREAD_CANCELED);
}

/* The number from which on no descriptor is open; below it, holes are filled. */
static int first_free_descriptor(void) {
  int highest = 0;
  for (int fd = 0; fd < 4096; ++fd) {
    highest = fcntl(fd, F_GETFD) >= 0 ? fd : highest;
  }
  int next = 0;
  while (next <= highest) {
    next = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    REQUIRE(next >= 0);
  }
  close(next);
  return next;
}

/* With room for too few descriptors start fails and leaves none; with enough it succeeds. */
static void a_start_that_runs_out_of_descriptors_fails_and_leaves_none(void) {
  struct rlimit former;
  struct rlimit tight;
  int refused = 0;
  uint64_t handle = 0;
  char json[2048];
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\",\"workers\":2}",
           fixture_files.cert_path, fixture_files.key_path);
  const int first_free = first_free_descriptor();
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  REQUIRE(getrlimit(RLIMIT_NOFILE, &former) == 0);
  for (int more = 0; more < 40 && handle == 0; ++more) {
    tight = former;
    tight.rlim_cur = (rlim_t)(first_free + more);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    const FfiResponse response = krepis_quic_start_json(json, strlen(json));
    REQUIRE(setrlimit(RLIMIT_NOFILE, &former) == 0);
    handle = handle_of(response);
    if (handle == 0) {
      if (response.error_code != KREPIS_QUOTA_EXCEEDED) {
        fprintf(stderr, "%d more: %s\n", more, krepis_last_error());
      }
      CHECK_EQUAL(response.error_code, KREPIS_QUOTA_EXCEEDED);
      CHECK_EQUAL(open_descriptors(), descriptors_before);
      CHECK_EQUAL(threads(), threads_before);
      ++refused;
    }
  }
  CHECK(refused > 5);
  CHECK(handle != 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void reading_a_server_opens_no_descriptor(void) {
  const uint64_t handle = start_server();
  struct rlimit former;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &former) == 0);
  const struct rlimit none = {.rlim_cur = 0, .rlim_max = former.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const uint32_t stats = krepis_quic_get_stats(handle).error_code;
  const uint32_t connections = krepis_quic_connections(handle).error_code;
  const uint32_t stop = krepis_quic_stop(handle).error_code;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &former) == 0);
  CHECK_EQUAL(stats, KREPIS_SUCCESS);
  CHECK_EQUAL(connections, KREPIS_SUCCESS);
  CHECK_EQUAL(stop, KREPIS_SUCCESS);
}

int main(void) {
  fixture_set_up();
  RUN(signal_handlers_stay_as_they_were);
  RUN(the_threads_of_the_library_block_every_signal);
  RUN(every_descriptor_of_the_library_is_closed_on_exec);
  RUN(a_storm_of_signals_disturbs_no_call);
  RUN(a_cancelled_thread_finishes_its_call_first);
  RUN(a_start_that_runs_out_of_descriptors_fails_and_leaves_none);
  RUN(reading_a_server_opens_no_descriptor);
  return check_summary();
}
