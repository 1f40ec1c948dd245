/* Every allocation of the calling thread fails once, in start, in stop and in reading: the answer is
 * out-of-memory or internal, never a crash, and nothing is left behind. This program's malloc stands before
 * the system's. */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdbool.h>

#include "check.h"
#include "fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void) {
  puts("skip: sanitizers have a malloc of their own");
  return 77;
}
#else

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

/* libtasn1 writes through the null pointer of its own calloc; GnuTLS gives libgmp an allocator that calls
 * abort. */
static const char* const kFragile[] = {"libtasn1", "libgmp", "libgnutls"};
static struct {
  uintptr_t begin;
  uintptr_t end;
} fragile[16];
static size_t fragile_count;

/* The allocation that fails: 1 is the next one; 0: none. Of this thread. */
static _Thread_local long until_failure;
static _Thread_local long allocations;

static int note_fragile(struct dl_phdr_info* library, size_t size, void* unused) {
  (void)size;
  (void)unused;
  for (size_t i = 0; i < sizeof kFragile / sizeof kFragile[0]; ++i) {
    for (int j = 0; strstr(library->dlpi_name, kFragile[i]) != NULL && j < library->dlpi_phnum; ++j) {
      const ElfW(Phdr)* const part = &library->dlpi_phdr[j];
      if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 && fragile_count < 16) {
        fragile[fragile_count].begin = library->dlpi_addr + part->p_vaddr;
        fragile[fragile_count].end = library->dlpi_addr + part->p_vaddr + part->p_memsz;
        ++fragile_count;
      }
    }
  }
  return 0;
}

static bool is_fragile(uintptr_t caller) {
  for (size_t i = 0; i < fragile_count; ++i) {
    if (caller >= fragile[i].begin && caller < fragile[i].end) {
      return true;
    }
  }
  return false;
}

static bool must_fail(const void* caller) {
  ++allocations;
  if (until_failure == 0 || is_fragile((uintptr_t)caller) || --until_failure > 0) {
    return false;
  }
  errno = ENOMEM;
  return true;
}

#define INTERPOSED __attribute__((visibility("default"), noinline))
#define FAILS must_fail(__builtin_return_address(0))
INTERPOSED void* malloc(size_t size) { return FAILS ? NULL : __libc_malloc(size); }
INTERPOSED void* calloc(size_t count, size_t size) { return FAILS ? NULL : __libc_calloc(count, size); }
INTERPOSED void* realloc(void* old, size_t size) { return FAILS ? NULL : __libc_realloc(old, size); }
INTERPOSED void* memalign(size_t to, size_t size) { return FAILS ? NULL : __libc_memalign(to, size); }
INTERPOSED void* aligned_alloc(size_t to, size_t size) { return FAILS ? NULL : __libc_memalign(to, size); }
INTERPOSED int posix_memalign(void** out, size_t to, size_t size) {
  void* const memory = FAILS ? NULL : __libc_memalign(to, size);
  if (memory == NULL) {
    return ENOMEM;
  }
  *out = memory;
  return 0;
}

static char json[2048];

static bool is_want_of_memory(uint32_t code) {
  return code == KREPIS_OUT_OF_MEMORY || code == KREPIS_INTERNAL || code == KREPIS_QUOTA_EXCEEDED;
}

/* Runs a call with its n-th allocation failing. False when it needs fewer than n. */
static bool with_failure(long n, FfiResponse (*call)(uint64_t), uint64_t handle, FfiResponse* response) {
  until_failure = n;
  *response = call(handle);
  const bool has_failed = until_failure == 0;
  until_failure = 0;
  return has_failed;
}

static FfiResponse start_by_json(uint64_t unused) {
  (void)unused;
  return krepis_quic_start_json(json, strlen(json));
}

static void start_survives_the_failure_of_each_allocation(void) {
  FfiResponse response;
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
#ifdef KNUL_FIRST_USE_NEEDS_MEMORY
  /* OpenSSL 3.5 waits for itself for ever when memory is short at its first use in a process. */
  CHECK_EQUAL(krepis_quic_stop(handle_of(start_by_json(0))).error_code, KREPIS_SUCCESS);
#endif
  long refused = 0;
  long n = 1;
  for (bool has_failed = true; has_failed; ++n) {
    if (getenv("KNUL_TEST_VERBOSE") != NULL) {
      fprintf(stderr, "allocation %ld\n", n);
    }
    has_failed = with_failure(n, start_by_json, 0, &response);
    const uint64_t handle = handle_of(response);
    if (handle != 0) { /* the failure was in something that start can do without */
      CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
    } else {
      if (!is_want_of_memory(response.error_code)) {
        fprintf(stderr, "allocation %ld: %u: %s\n", n, response.error_code, krepis_last_error());
      }
      CHECK(is_want_of_memory(response.error_code));
      ++refused;
    }
    CHECK_EQUAL(open_descriptors(), descriptors_before);
    CHECK(threads_come_down_to(threads_before));
  }
  printf("start: %ld allocations, %ld failures refused it\n", n - 2, refused);
  CHECK(refused > 10);
}

static void stop_stops_although_an_allocation_fails(void) {
  FfiResponse response;
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  long n = 1;
  for (bool has_failed = true; has_failed; ++n) {
    const uint64_t handle = start_server_json("\"workers\":1");
    has_failed = with_failure(n, krepis_quic_stop, handle, &response);
    CHECK(response.error_code == KREPIS_SUCCESS || is_want_of_memory(response.error_code));
    CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_INVALID_POINTER);
    CHECK_EQUAL(open_descriptors(), descriptors_before);
    CHECK(threads_come_down_to(threads_before));
  }
  printf("stop: %ld allocations\n", n - 2);
}

static void expect_readable_despite_failures(const char* name, FfiResponse (*read)(uint64_t)) {
  FfiResponse response;
  const uint64_t handle = start_server();
  long n = 1;
  while (with_failure(n, read, handle, &response)) {
    CHECK(response.error_code == KREPIS_SUCCESS || is_want_of_memory(response.error_code));
    ++n;
  }
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  printf("%s: %ld allocations\n", name, n - 1);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static FfiResponse list_of(uint64_t unused) {
  (void)unused;
  return krepis_quic_list();
}
static FfiResponse settings_of(uint64_t unused) {
  (void)unused;
  return krepis_settings();
}

static void reading_survives_the_failure_of_each_allocation(void) {
  expect_readable_despite_failures("info", krepis_quic_info);
  expect_readable_despite_failures("get_stats", krepis_quic_get_stats);
  expect_readable_despite_failures("get_metrics", krepis_quic_get_metrics);
  expect_readable_despite_failures("connections", krepis_quic_connections);
  expect_readable_despite_failures("list", list_of);
  expect_readable_despite_failures("settings", settings_of);
}

static void lookups_and_statistics_in_steady_state_allocate_nothing(void) {
  const uint64_t handle = start_server();
  krepis_quic_get_stats(handle);
  const long before = allocations;
  for (int i = 0; i < 1000; ++i) {
    krepis_quic_port(handle);
    krepis_quic_get_stats(handle);
  }
  CHECK_EQUAL(allocations - before, 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

int main(void) {
  fixture_set_up();
  dl_iterate_phdr(note_fragile, NULL);
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\",\"workers\":1}",
           fixture_files.cert_path, fixture_files.key_path);
  RUN(start_survives_the_failure_of_each_allocation);
  RUN(stop_stops_although_an_allocation_fails);
  RUN(reading_survives_the_failure_of_each_allocation);
  RUN(lookups_and_statistics_in_steady_state_allocate_nothing);
  return check_summary();
}
#endif
