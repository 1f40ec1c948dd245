#define _GNU_SOURCE
#include "fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "support/temporary_folder.h"

KnulTestCertificateFiles fixture_files;
char fixture_folder[256];
static pid_t owner;

static void tear_down(void) {
  if (getpid() == owner) { /* not in a forked child */
    knul_test_remove_folder(fixture_folder);
  }
}

void fixture_set_up(void) {
  REQUIRE(knul_test_make_temporary_folder(fixture_folder, sizeof fixture_folder) == 0);
  owner = getpid();
  atexit(tear_down);
  REQUIRE(knul_test_write_certificates(fixture_folder, "server", NULL, &fixture_files) == 0);
}

FfiBuffer text_buffer(const char* text) {
  const size_t length = strlen(text);
  return (FfiBuffer){(const uint8_t*)text, length, length, 0};
}

FfiQuicConfig config_for(uint16_t port) {
  return (FfiQuicConfig){.port = port,
                         .max_streams = 100,
                         .idle_timeout_ms = 30000,
                         .host_addr = text_buffer("127.0.0.1"),
                         .cert_path = text_buffer(fixture_files.cert_path),
                         .key_path = text_buffer(fixture_files.key_path)};
}

/* Below what the kernel hands out for port 0, so that nothing which runs beside this test gets a port between
 * free_port(), a stop and a start again. */
enum { kLowestPort = 10000, kPortRanges = 44, kPortsOfARange = 500 };

/* The lowest port of a range that no other of these programs uses while this one, or a child of it, runs: its
 * name is an abstract socket's, which the kernel takes back. */
static unsigned own_port_range(void) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  for (unsigned i = 0; i < kPortRanges; ++i) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "knul-test-ports-%u", i);
    if (bind(fd, (const struct sockaddr*)&name, sizeof name) == 0) {
      return kLowestPort + i * kPortsOfARange; /* fd stays open */
    }
  }
  fprintf(stderr, "all %d ranges of ports are in use\n", kPortRanges);
  exit(1);
}

uint16_t free_port(void) {
  static unsigned lowest;
  static unsigned next;
  if (lowest == 0) {
    lowest = own_port_range();
  }
  for (int i = 0; i < kPortsOfARange; ++i, ++next) {
    const uint16_t port = (uint16_t)(lowest + next % kPortsOfARange);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    REQUIRE(fd >= 0);
    const int result = bind(fd, (const struct sockaddr*)&address, sizeof address);
    close(fd);
    if (result == 0) {
      ++next;
      return port;
    }
  }
  fprintf(stderr, "no free port from %u to %u\n", lowest, lowest + kPortsOfARange - 1);
  exit(1);
}

uint64_t handle_of(FfiResponse response) {
  uint64_t handle = 0;
  if (response.error_code == KREPIS_SUCCESS && response.result_buffer.len == sizeof handle) {
    memcpy(&handle, response.result_buffer.data, sizeof handle);
  }
  return handle;
}

const char* text_of(FfiResponse response) {
  return response.result_buffer.data != NULL ? (const char*)response.result_buffer.data : "";
}

uint64_t start_server(void) {
  for (int attempt = 0; attempt < 20; ++attempt) { /* the port may be taken by another program meanwhile */
    const FfiQuicConfig config = config_for(free_port());
    const FfiResponse response = krepis_quic_start(&config);
    if (response.error_code == KREPIS_SUCCESS) {
      return handle_of(response);
    }
    if (response.error_code != KREPIS_NETWORK_ERROR) {
      break;
    }
  }
  fprintf(stderr, "no server: %s\n", krepis_last_error());
  exit(1);
}

uint64_t start_server_json(const char* more) {
  char json[2048];
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\"%s%s}", fixture_files.cert_path,
           fixture_files.key_path, more != NULL ? "," : "", more != NULL ? more : "");
  const uint64_t handle = handle_of(krepis_quic_start_json(json, strlen(json)));
  if (handle == 0) {
    fprintf(stderr, "no server: %s\n", krepis_last_error());
    exit(1);
  }
  return handle;
}

static int entries(const char* path) {
  DIR* const folder = opendir(path);
  int count = 0;
  REQUIRE(folder != NULL);
  for (const struct dirent* entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    count += entry->d_name[0] != '.';
  }
  closedir(folder);
  return count;
}

int open_descriptors(void) { return entries("/proc/self/fd") - 1; /* the one that lists them */ }

int threads(void) { return entries("/proc/self/task"); }

bool threads_come_down_to(int wanted) {
  const double deadline = seconds_now() + 5;
  while (threads() > wanted && seconds_now() < deadline) {
    usleep(100);
  }
  return threads() == wanted;
}

double json_number(const char* json, const char* name) {
  char key[80];
  snprintf(key, sizeof key, "\"%s\":", name);
  const char* const found = strstr(json, key);
  return found != NULL ? strtod(found + strlen(key), NULL) : -1;
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
