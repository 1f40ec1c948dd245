/* The library's log and the host's descriptors: whatever they are, no worker and no call waits for them, and
 * the host does not die of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"
#include "foreign.h"

enum { kClients = 400 };

static int saved[3]; /* the standard descriptors of this program */

static void put_back(int fd) { REQUIRE(dup2(saved[fd], fd) == fd); }

/* Puts the writing end of a pipe in the place of standard error; gives the reading end. */
static int replace_standard_error(void) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
  close(ends[1]);
  return ends[0];
}

static void fill_standard_error(void) {
  static const char junk[4096];
  const int flags = fcntl(STDERR_FILENO, F_GETFL);
  fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
  while (write(STDERR_FILENO, junk, sizeof junk) > 0) {
  }
  fcntl(STDERR_FILENO, F_SETFL, flags);
}

typedef struct {
  int refused;
  double failed_alpn;
  double limited;
  uint32_t stop_code;
  double stop_seconds;
} Flood;

/* What fails is told by the caller, when standard error is its own again. */
static Flood flood_of_refusals(void) {
  Flood flood = {0};
  const uint64_t handle = start_server_json("\"workers\":2");
  flood.refused = foreign_clients_are_refused(krepis_quic_port(handle), kClients);
  const FfiResponse statistics = krepis_quic_get_stats(handle);
  if (statistics.error_code == KREPIS_SUCCESS) {
    flood.failed_alpn = json_number(text_of(statistics), "handshakes_failed_alpn");
    flood.limited = json_number(text_of(statistics), "log_messages_limited");
  }
  const double begin = seconds_now();
  flood.stop_code = krepis_quic_stop(handle).error_code;
  flood.stop_seconds = seconds_now() - begin;
  return flood;
}

static void check_flood(const Flood* flood) {
  CHECK_EQUAL(flood->refused, 0);
  CHECK_EQUAL(flood->failed_alpn, kClients);
  CHECK(flood->limited >= kClients / 2);
  CHECK_EQUAL(flood->stop_code, KREPIS_SUCCESS);
  CHECK(flood->stop_seconds < 10); /* nothing is open, so it takes some milliseconds */
}

static void a_standard_error_that_nobody_reads_stops_no_worker_and_no_call(void) {
  const int reader = replace_standard_error();
  fill_standard_error();
  const Flood flood = flood_of_refusals();
  put_back(STDERR_FILENO);
  close(reader);
  check_flood(&flood);
}

/* SIGPIPE has its default action here: this program would end. */
static void a_standard_error_without_a_reader_does_not_end_the_host(void) {
  close(replace_standard_error());
  const Flood flood = flood_of_refusals();
  const uint64_t handle = start_server();
  double dropped = 0;
  for (const double end = seconds_now() + 20; dropped == 0 && seconds_now() < end;) {
    dropped = json_number(text_of(krepis_quic_get_stats(handle)), "log_messages_dropped");
  }
  put_back(STDERR_FILENO);
  check_flood(&flood);
  CHECK(dropped > 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void a_flood_of_refusals_writes_few_lines(void) {
  char text[65536];
  const int reader = replace_standard_error();
  const Flood flood = flood_of_refusals();
  put_back(STDERR_FILENO);
  fcntl(reader, F_SETFL, O_NONBLOCK);
  ssize_t length = 0;
  ssize_t count = 0;
  while ((count = read(reader, text + length, sizeof text - 1 - (size_t)length)) > 0) {
    length += count;
  }
  close(reader);
  check_flood(&flood);
  CHECK(length < 8192); /* 400 lines are 50,000 bytes */
}

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0 || errno != EBADF; }

static void closed_standard_descriptors_never_become_descriptors_of_the_library(void) {
  int taken = 0;
  int written = 0;
  for (int fd = 0; fd < 3; ++fd) {
    close(fd);
  }
  const uint64_t handle = start_server_json("\"workers\":2");
  const FfiChannelConfig config = {.wake = KREPIS_WAKE_SOCKET};
  FfiChannelRegion region = {0};
  const uint32_t opened = krepis_channel_open(handle, &config, &region);
  const int refused = foreign_clients_are_refused(krepis_quic_port(handle), 3);
  for (int fd = 0; fd < 3; ++fd) {
    taken += is_open(fd);
    written += write(fd, "x", 1) == 1;
  }
  const uint32_t code = krepis_quic_stop(handle).error_code;
  close(region.wake_fd);
  for (int fd = 0; fd < 3; ++fd) {
    put_back(fd);
  }
  CHECK_EQUAL(opened, KREPIS_SUCCESS);
  CHECK(region.wake_fd > 2);
  CHECK_EQUAL(refused, 0);
  CHECK_EQUAL(taken, 0);
  CHECK_EQUAL(written, 0);
  CHECK_EQUAL(code, KREPIS_SUCCESS);
}

int main(void) {
  fixture_set_up();
  for (int fd = 0; fd < 3; ++fd) {
    saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    REQUIRE(saved[fd] >= 0);
  }
  /* First, while messages of the kind are admitted. */
  RUN(a_standard_error_without_a_reader_does_not_end_the_host);
  RUN(a_flood_of_refusals_writes_few_lines);
  RUN(a_standard_error_that_nobody_reads_stops_no_worker_and_no_call);
  RUN(closed_standard_descriptors_never_become_descriptors_of_the_library);
  return check_summary();
}
