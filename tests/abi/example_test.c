/* examples/statistics.c does what it says: ten lines of statistics, one a second, and a clean stop. The path
 * of the program is the argument. */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "check.h"
#include "fixture.h"

static const char* program;

static void the_example_prints_ten_lines_of_statistics_and_stops(void) {
  char command[2048];
  char line[16384];
  int lines = 0;
  double uptime_ms = 0;
  snprintf(command, sizeof command, "'%s' %u '%s' '%s'", program, free_port(), fixture_files.cert_path,
           fixture_files.key_path);
  FILE* const output = popen(command, "re");
  REQUIRE(output != NULL);
  while (fgets(line, sizeof line, output) != NULL) {
    ++lines;
    CHECK(json_number(line, "uptime_ms") > uptime_ms);
    uptime_ms = json_number(line, "uptime_ms");
  }
  CHECK_EQUAL(pclose(output), 0);
  CHECK_EQUAL(lines, 10);
  CHECK(uptime_ms >= 10000);
}

static void the_example_explains_a_failure(void) {
  char command[2048];
  char line[1024] = "";
  snprintf(command, sizeof command, "'%s' %u /no/such/certificate '%s' 2>&1", program, free_port(),
           fixture_files.key_path);
  FILE* const output = popen(command, "re");
  REQUIRE(output != NULL);
  CHECK(fgets(line, sizeof line, output) != NULL);
  CHECK_CONTAINS(line, "start: Internal: cert_path \"/no/such/certificate\"");
  const int status = pclose(output);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(int argc, char** argv) {
  REQUIRE(argc == 2);
  program = argv[1];
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(the_example_explains_a_failure);
  RUN(the_example_prints_ten_lines_of_statistics_and_stops);
  return check_summary();
}
