/* examples/channel_echo.c does what it says. The path of the program is the argument. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"
#include "peer.h"

static const char* program;

static void the_example_echoes_streams_and_ends_with_its_input(void) {
  int input[2];
  int output[2];
  unsigned port = 0;
  REQUIRE(pipe(input) == 0 && pipe(output) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(input[0], 0);
    dup2(output[1], 1);
    close(input[1]);
    execl(program, program, "0", fixture_files.cert_path, fixture_files.key_path, (char*)NULL);
    _exit(127);
  }
  close(input[0]);
  close(output[1]);
  FILE* const lines = fdopen(output[0], "r");
  REQUIRE(lines != NULL && fscanf(lines, "port %u", &port) == 1);
  Peer* const peer = peer_connect((uint16_t)port);
  REQUIRE(peer != NULL);
  uint64_t length = 0;
  for (int i = 0; i < 10; ++i) { /* more than a stream's queue takes at once */
    const int64_t id = peer_open(peer, 0);
    CHECK_EQUAL(peer_write(peer, id, 3 << 20, 1), 0);
    CHECK_EQUAL(peer_wait_fin(peer, id, &length), 0);
    CHECK_EQUAL(length, 3 << 20);
  }
  close(input[1]);
  int status = -1;
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  fclose(lines);
  peer_free(peer);
}

int main(int argc, char** argv) {
  REQUIRE(argc == 2);
  program = argv[1];
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(the_example_echoes_streams_and_ends_with_its_input);
  return check_summary();
}
