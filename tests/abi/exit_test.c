/* A host that ends without a stop: in under a second, without a crash, whatever way it ends. Each way runs in
 * a process of its own, which is this program with an argument. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

enum { kServers = 4 };

#ifdef __SANITIZE_THREAD__
static const double kMaxSeconds = 3; /* ThreadSanitizer itself waits a second before a process ends */
#else
static const double kMaxSeconds = 1;
#endif

static void call_in(void) {
  krepis_quic_list();
  krepis_quic_stop(12345);
}

static void* exit_well(void* unused) {
  exit(0);
  return unused;
}

/* Standard error becomes a pipe that takes nothing more, and whose other end is not closed. */
static void fill_standard_error(void) {
  static const char junk[4096];
  int ends[2];
  REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
  while (write(ends[1], junk, sizeof junk) > 0) {
  }
  REQUIRE(fcntl(ends[1], F_SETFL, 0) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
}

/* The child's side. The start of the end is told on the pipe, descriptor 3. */
static int end_as_told(const char* way) {
  pthread_t other;
  const int has_message = strcmp(way, "exit with a message that nobody takes") == 0;
  setenv("KNUL_LOG", has_message ? "a level that there is not" : "off", 1);
  if (has_message) {
    fill_standard_error();
  }
  fixture_set_up();
  atexit(call_in); /* after the library's first use would be too late to be called before its own end */
  for (int i = 0; i < kServers; ++i) {
    start_server();
  }
  REQUIRE(write(3, "x", 1) == 1);
  if (strcmp(way, "_exit") == 0) {
    _exit(0);
  } else if (strcmp(way, "exit") == 0 || has_message) {
    exit(0);
  } else if (strcmp(way, "exit in a thread") == 0) {
    REQUIRE(pthread_create(&other, NULL, exit_well, NULL) == 0);
    pthread_join(other, NULL);
  } else if (strcmp(way, "quick_exit") == 0) {
    quick_exit(0);
  }
  return 0; /* "return" */
}

static void expect_quick_end(const char* way) {
  extern char** environ;
  int told[2];
  char byte;
  pid_t child;
  int status = -1;
  char* const arguments[] = {(char*)(uintptr_t) "exit_test", (char*)(uintptr_t)way, NULL};
  posix_spawn_file_actions_t actions;
  REQUIRE(pipe2(told, 0) == 0);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, told[1], 3);
  REQUIRE(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(told[1]);
  CHECK_EQUAL(read(told[0], &byte, 1), 1);
  close(told[0]);
  const double before = seconds_now();
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK_EQUAL(status, 0);
  CHECK(seconds_now() - before < kMaxSeconds);
}

static void returning_from_main_ends_the_process(void) { expect_quick_end("return"); }
static void exit_ends_the_process(void) { expect_quick_end("exit"); }
static void exit_waits_for_no_reader_of_the_log(void) {
  expect_quick_end("exit with a message that nobody takes");
}
static void exit_in_another_thread_ends_the_process(void) { expect_quick_end("exit in a thread"); }
static void quick_exit_ends_the_process(void) { expect_quick_end("quick_exit"); }
static void _exit_ends_the_process(void) { expect_quick_end("_exit"); }

int main(int argc, char** argv) {
  if (argc > 1) {
    return end_as_told(argv[1]);
  }
  RUN(returning_from_main_ends_the_process);
  RUN(exit_ends_the_process);
  RUN(exit_waits_for_no_reader_of_the_log);
  RUN(exit_in_another_thread_ends_the_process);
  RUN(quick_exit_ends_the_process);
  RUN(_exit_ends_the_process);
  return check_summary();
}
