/* A thousand starts and stops on one port leave descriptors, threads and memory where they were. */
#include <malloc.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

/* malloc's cache of free chunks counts as allocated, and fills slowly: a key has parts of many sizes. */
enum { kWarmUp = 400, kCycles = 1000 };

/* What the program has from malloc. Sanitizers have an allocator of their own, where this is 0. */
static size_t allocated_bytes(void) {
  malloc_trim(0);
  return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static long resident_kib(void) {
  long pages = 0;
  FILE* const file = fopen("/proc/self/statm", "re");
  REQUIRE(file != NULL);
  REQUIRE(fscanf(file, "%*d %ld", &pages) == 1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE) / 1024;
}

static void cycle(const FfiQuicConfig* config, int count) {
  for (int i = 0; i < count; ++i) {
    const FfiResponse response = krepis_quic_start(config);
    if (response.error_code != KREPIS_SUCCESS) {
      fprintf(stderr, "cycle %d: %s\n", i, krepis_last_error());
    }
    REQUIRE(response.error_code == KREPIS_SUCCESS);
    const uint64_t handle = handle_of(response);
    CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_SUCCESS);
    CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  }
}

static void a_thousand_cycles_on_one_port_leave_everything_as_it_was(void) {
  const FfiQuicConfig config = config_for(free_port());
  cycle(&config, kWarmUp);
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  const size_t allocated_before = allocated_bytes();
  const long resident_before = resident_kib();
  cycle(&config, kCycles);
  CHECK_EQUAL(open_descriptors(), descriptors_before);
  CHECK_EQUAL(threads(), threads_before);
  const size_t allocated_after = allocated_bytes();
  const long resident_after = resident_kib();
  printf("malloc: %zu bytes before, %zu after; resident: %ld KiB before, %ld after\n", allocated_before,
         allocated_after, resident_before, resident_after);
  CHECK(allocated_after <= allocated_before + kCycles * 16); /* 16 bytes a cycle would be a leak */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(resident_after <= resident_before + 4096);
#endif
}

int main(void) {
  fixture_set_up();
  RUN(a_thousand_cycles_on_one_port_leave_everything_as_it_was);
  return check_summary();
}
