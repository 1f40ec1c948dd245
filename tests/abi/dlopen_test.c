/* The library as an FFI loads it: by dlopen, and closed while a server runs. Its path is the argument. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

#include <krepis/krepis.h>
#include "check.h"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

typedef FfiResponse (*StartJson)(const char*, size_t);
typedef FfiResponse (*OfHandle)(uint64_t);

static const char* library_path;
static char json[2048];

static void* symbol(void* library, const char* name) {
  void* const found = dlsym(library, name);
  REQUIRE(found != NULL);
  return found;
}

static void a_server_outlives_the_dlclose_of_its_library(void) {
  void* library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != NULL);
  StartJson start;
  OfHandle stats;
  *(void**)&start = symbol(library, "krepis_quic_start_json");
  *(void**)&stats = symbol(library, "krepis_quic_get_stats");
  const FfiResponse started = start(json, strlen(json));
  REQUIRE(started.error_code == 0);
  uint64_t handle;
  memcpy(&handle, started.result_buffer.data, sizeof handle);
  CHECK_EQUAL(dlclose(library), 0);
  CHECK_EQUAL(stats(handle).error_code, 0); /* the code is still there */

  library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
  OfHandle stop;
  *(void**)&stop = symbol(library, "krepis_quic_stop");
  CHECK_EQUAL(stop(handle).error_code, 0); /* and it is the same library */
  CHECK_EQUAL(dlclose(library), 0);
}

static void nothing_but_the_abi_is_visible(void) {
  void* const library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != NULL);
  CHECK(dlsym(library, "krepis_quic_stop_into") != NULL);
  CHECK(dlsym(library, "_ZN6krepis7versionEv") == NULL);
  dlclose(library);
}

int main(int argc, char** argv) {
  char folder[256];
  KnulTestCertificateFiles files;
  REQUIRE(argc == 2);
  library_path = argv[1];
  REQUIRE(knul_test_make_temporary_folder(folder, sizeof folder) == 0);
  REQUIRE(knul_test_write_certificates(folder, "server", NULL, &files) == 0);
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\"}", files.cert_path, files.key_path);
  RUN(a_server_outlives_the_dlclose_of_its_library);
  RUN(nothing_but_the_abi_is_visible);
  knul_test_remove_folder(folder);
  return check_summary();
}
