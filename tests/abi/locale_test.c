/* In a host whose numbers have a decimal comma, JSON and metrics keep the point. */
#define _GNU_SOURCE
#include <locale.h>
#include <sys/stat.h>

#include "check.h"
#include "fixture.h"
#include "traffic.h"

/* LeakSanitizer asks. The C library never frees its copy of LOCPATH. */
__attribute__((visibility("default"))) const char* __lsan_default_suppressions(void);
const char* __lsan_default_suppressions(void) { return "leak:__argz_add_sep"; }

/* A locale of our own, since de_DE need not be installed: a name that setlocale takes, or null. */
static const char* comma_locale(void) {
  static char name[600];
  char path[600];
  char command[1400];
  if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) {
    return "de_DE.UTF-8";
  }
  snprintf(path, sizeof path, "%s/comma.def", fixture_folder);
  FILE* const file = fopen(path, "we");
  REQUIRE(file != NULL);
  fputs(
      "LC_CTYPE\nupper <U0041>;<U0042>\nlower <U0061>;<U0062>\nEND LC_CTYPE\n"
      "LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"<U002E>\"\ngrouping 3;3\nEND LC_NUMERIC\n",
      file);
  fclose(file);
  snprintf(command, sizeof command,
           "localedef --no-archive -c -i %s -f ANSI_X3.4-1968 %s/comma >/dev/null 2>&1", path,
           fixture_folder);
  if (system(command) == -1) { /* its status is 1 for warnings as well; setlocale tells */
    return NULL;
  }
  snprintf(name, sizeof name, "comma");
  setenv("LOCPATH", fixture_folder, 1);
  return setlocale(LC_ALL, name) != NULL ? name : NULL;
}

/* The value behind `name` has a fraction with a point. */
static void expect_point(const char* text, const char* name) {
  const char* const found = strstr(text, name);
  CHECK(found != NULL);
  if (found != NULL) {
    const char* const value = found + strlen(name);
    const size_t digits = strspn(value, "0123456789");
    CHECK(digits > 0);
    if (digits > 0 && value[digits] != '.') {
      fprintf(stderr, "%.60s\n", found);
    }
    CHECK(value[digits] == '.');
  }
}

static void numbers_have_a_point_under_a_locale_with_a_comma(void) {
  const uint64_t handle = start_server_json("\"service\":\"echo\"");
  Traffic* const traffic = traffic_connect(krepis_quic_port(handle));
  REQUIRE(traffic != NULL && traffic_echo(traffic, 1000) == 0);
  while (json_number(text_of(krepis_quic_get_stats(handle)), "requests_completed") < 1) {
  } /* the client may have the answer before the server has counted it */
  expect_point(text_of(krepis_quic_get_stats(handle)), "\"avg_latency_ms\":");
  expect_point(text_of(krepis_quic_get_metrics(handle)), "\nknul_uptime_seconds ");
  CHECK_EQUAL(krepis_quic_get_stats(handle).error_code, KREPIS_SUCCESS);
  traffic_free(traffic);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void numbers_above_a_thousand_have_no_separator(void) {
  const uint64_t handle = start_server_json("\"idle_timeout_ms\":1234567");
  CHECK_CONTAINS(text_of(krepis_quic_info(handle)), "\"idle_timeout_ms\":1234567");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

int main(void) {
  char number[16];
  fixture_set_up();
  const char* const name = comma_locale();
  if (name == NULL || traffic_set_cpp_locale(name) != 0) {
    puts("skip: no locale with a decimal comma, and localedef cannot make one");
    return 77;
  }
  snprintf(number, sizeof number, "%.1f", 1.5);
  REQUIRE(strcmp(number, "1,5") == 0);
  RUN(numbers_have_a_point_under_a_locale_with_a_comma);
  RUN(numbers_above_a_thousand_have_no_separator);
  return check_summary();
}
