/* examples/channel_echo.c does what it says. The path of the program is the argument. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"
#include "peer.h"

enum { kMiB = 1 << 20 };

static const char* program;
static pid_t child;
static int input;
static FILE* output;
static uint16_t port;

static void start_example(void) {
  int to_child[2];
  int from_child[2];
  unsigned number = 0;
  REQUIRE(pipe(to_child) == 0 && pipe(from_child) == 0);
  child = fork();
  if (child == 0) {
    dup2(to_child[0], 0);
    dup2(from_child[1], 1);
    close(to_child[1]);
    execl(program, program, "0", fixture_files.cert_path, fixture_files.key_path, (char*)NULL);
    _exit(127);
  }
  close(to_child[0]);
  close(from_child[1]);
  input = to_child[1];
  output = fdopen(from_child[0], "r");
  REQUIRE(output != NULL && fscanf(output, "port %u", &number) == 1);
  port = (uint16_t)number;
}

static void end_example(void) {
  int status = -1;
  close(input);
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  fclose(output);
}

static Peer* connect_peer(void) {
  Peer* const peer = peer_connect(port);
  REQUIRE(peer != NULL);
  return peer;
}

static void check_echo(Peer* peer, uint64_t bytes) {
  uint64_t length = 0;
  const int64_t id = peer_open(peer, 0);
  CHECK_EQUAL(peer_write(peer, id, bytes, 1), 0);
  CHECK_EQUAL(peer_wait_fin(peer, id, &length), 0);
  CHECK_EQUAL(length, bytes);
}

static void the_example_echoes_streams_and_ends_with_its_input(void) {
  start_example();
  Peer* const peer = connect_peer();
  for (int i = 0; i < 10; ++i) {
    check_echo(peer, 3 * kMiB); /* more than a stream's queue takes at once */
  }
  peer_free(peer);
  end_example();
}

/* The answers to a slow reader fill its window, the server's send buffer and the stream's queue: the writes
 * are partial. 96 MiB is more than all of these and the arena hold. */
static void a_slow_reader_gets_every_byte_and_slows_nobody(void) {
  enum { kStreams = 3, kBytes = 32 * kMiB };
  int64_t ids[kStreams];
  uint64_t length = 0;
  start_example();
  Peer* const slow = connect_peer();
  Peer* const fast = connect_peer();
  CHECK_EQUAL(peer_hold(slow, 1), 0);
  for (int i = 0; i < kStreams; ++i) {
    ids[i] = peer_open(slow, 0);
    CHECK_EQUAL(peer_write(slow, ids[i], kBytes, 1), 0);
  }
  CHECK_EQUAL(peer_wait_bytes(slow, ids[0], kMiB), 0);
  for (int i = 0; i < 5; ++i) {
    check_echo(fast, 3 * kMiB);
  }
  CHECK_EQUAL(peer_hold(slow, 0), 0);
  for (int i = 0; i < kStreams; ++i) {
    CHECK_EQUAL(peer_wait_fin(slow, ids[i], &length), 0);
    CHECK_EQUAL(length, kBytes);
  }
  peer_free(slow);
  peer_free(fast);
  end_example();
}

/* Each leaves a part of the arena in a queue; 20 of them would leave nothing if it was not given back. */
static void peers_that_leave_amid_their_answers_leave_nothing_behind(void) {
  start_example();
  for (int i = 0; i < 20; ++i) {
    Peer* const peer = connect_peer();
    CHECK_EQUAL(peer_hold(peer, 1), 0);
    const int64_t ended = peer_open(peer, 0);
    const int64_t reset = peer_open(peer, 0);
    CHECK_EQUAL(peer_write(peer, ended, 64 * kMiB, 1), 0);
    CHECK_EQUAL(peer_write(peer, reset, 64 * kMiB, 1), 0);
    CHECK_EQUAL(peer_wait_bytes(peer, ended, kMiB), 0);
    CHECK_EQUAL(peer_reset(peer, reset, 1), 0);
    CHECK_EQUAL(peer_close(peer, 0), 0);
    peer_free(peer);
  }
  Peer* const last = connect_peer();
  check_echo(last, 8 * kMiB);
  peer_free(last);
  end_example();
}

int main(int argc, char** argv) {
  REQUIRE(argc == 2);
  program = argv[1];
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(the_example_echoes_streams_and_ends_with_its_input);
  RUN(a_slow_reader_gets_every_byte_and_slows_nobody);
  RUN(peers_that_leave_amid_their_answers_leave_nothing_behind);
  return check_summary();
}
