/* A host that forks: the child's copy of the library is inert, the parent's servers go on. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

enum { kForks = 50 };

static uint64_t handle;
static pid_t parent;

/* LeakSanitizer asks. In a forked child the stacks of the other threads are gone, and with them all that they
 * owned. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return getpid() != parent; }

/* In the child: everything refuses, and nothing hangs or crashes. */
static void use_everything(void) {
  const FfiQuicConfig config = config_for(4433);
  FfiResponse out;
  CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_get_metrics(handle).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_info(handle).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_connections(handle).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_list().error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_settings().error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_start(&config).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_start_json("{}", 2).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_stop_report(handle, 0).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_get_stats_into(handle, &out), KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_quic_port(handle), 0);
  CHECK_CONTAINS(krepis_last_error(), "fork");
  CHECK_EQUAL(krepis_abi_version(), KREPIS_ABI_VERSION);
}

/* Forks, runs the child, and gives what its end says: 0 is well. */
static int status_of_child(void (*child_ends)(int)) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);          /* a child that hangs ends by SIGALRM */
    check_failures = 0; /* the parent's are the parent's */
    use_everything();
    child_ends(check_failures == 0 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
  return status;
}

static void a_child_finds_the_library_inert_and_exits_well(void) {
  CHECK_EQUAL(status_of_child(exit), 0);
  CHECK_EQUAL(status_of_child(_exit), 0);
  CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_SUCCESS);
}

/* The C library's malloc can be used in a child that was forked while another thread was in it. The one of
 * the sanitizers of Debian 12's compilers cannot: fork() does not take its locks, and the child waits for
 * ever. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static atomic_bool is_over;

static void* call_all_the_time(void* unused) {
  while (!atomic_load(&is_over)) {
    CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_SUCCESS);
    krepis_quic_stop(UINT64_MAX); /* no server's */
    const uint64_t other = start_server_json("\"workers\":1");
    CHECK_EQUAL(krepis_quic_stop(other).error_code, KREPIS_SUCCESS);
  }
  return unused;
}

static void forks_in_the_middle_of_calls_harm_neither_side(void) {
  pthread_t callers[2];
  atomic_store(&is_over, false);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(pthread_create(&callers[i], NULL, call_all_the_time, NULL) == 0);
  }
  for (int i = 0; i < kForks; ++i) {
    CHECK_EQUAL(status_of_child(i % 2 == 0 ? exit : _exit), 0);
  }
  atomic_store(&is_over, true);
  for (int i = 0; i < 2; ++i) {
    pthread_join(callers[i], NULL);
  }
}
#endif

static void the_parent_can_stop_while_a_child_lives_and_use_the_port_again(void) {
  int to_child[2];
  int to_parent[2];
  REQUIRE(pipe(to_child) == 0 && pipe(to_parent) == 0);
  const uint16_t port = krepis_quic_port(handle);
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    close(to_child[1]);
    REQUIRE(write(to_parent[1], "", 1) == 1);
    _exit(read(to_child[0], &byte, 1) == 0 ? 0 : 1); /* until the parent closes its end */
  }
  /* The child's fork() closes the sockets, which may be after the parent's has returned. */
  char byte;
  close(to_parent[1]); /* so that a child that dies before ends the read */
  REQUIRE(read(to_parent[0], &byte, 1) == 1);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  const FfiQuicConfig config = config_for(port);
  handle = handle_of(krepis_quic_start(&config));
  CHECK(handle != 0);
  close(to_child[0]);
  close(to_child[1]);
  close(to_parent[0]);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static int start_in_child(void) {
  const FfiQuicConfig config = config_for(free_port());
  const uint64_t own = handle_of(krepis_quic_start(&config));
  return own != 0 && krepis_quic_stop(own).error_code == KREPIS_SUCCESS ? 0 : 1;
}

static void a_child_forked_before_the_first_use_is_a_host_of_its_own(void) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(start_in_child());
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void) {
  parent = getpid();
  fixture_set_up();
  RUN(a_child_forked_before_the_first_use_is_a_host_of_its_own);
  handle = start_server();
  RUN(a_child_finds_the_library_inert_and_exits_well);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  RUN(forks_in_the_middle_of_calls_harm_neither_side);
#endif
  RUN(the_parent_can_stop_while_a_child_lives_and_use_the_port_again);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  return check_summary();
}
