/* Assertions for the C tests of the ABI. A test is a `static void` function of checks; a program runs its
 * tests with RUN and returns check_summary() from main. A failed check is printed and the test goes on. */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int check_failures; /* checks run in threads, too */

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      ++check_failures;                                                       \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                         \
  } while (0)

/* Both sides as unsigned 64-bit numbers. */
#define CHECK_EQUAL(actual, expected)                                                                       \
  do {                                                                                                      \
    const uint64_t check_actual = (uint64_t)(actual);                                                       \
    const uint64_t check_expected = (uint64_t)(expected);                                                   \
    if (check_actual != check_expected) {                                                                   \
      ++check_failures;                                                                                     \
      fprintf(stderr, "%s:%d: %s is %" PRIu64 ", expected %s (%" PRIu64 ")\n", __FILE__, __LINE__, #actual, \
              check_actual, #expected, check_expected);                                                     \
    }                                                                                                       \
  } while (0)

#define CHECK_CONTAINS(text, part)                                                                        \
  do {                                                                                                    \
    const char* const check_text = (text);                                                                \
    if (strstr(check_text, (part)) == NULL) {                                                             \
      ++check_failures;                                                                                   \
      fprintf(stderr, "%s:%d: \"%s\" does not contain \"%s\"\n", __FILE__, __LINE__, check_text, (part)); \
    }                                                                                                     \
  } while (0)

/* Ends the program: nothing after it would make sense. */
#define REQUIRE(condition)                                                      \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: required: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

#define RUN(test)                                                               \
  do {                                                                          \
    const int check_before = check_failures;                                    \
    test();                                                                     \
    printf("%s %s\n", check_failures == check_before ? "ok  " : "FAIL", #test); \
    fflush(stdout);                                                             \
  } while (0)

static inline int check_summary(void) {
  if (check_failures != 0) {
    printf("%d checks failed\n", check_failures);
  }
  return check_failures == 0 ? 0 : 1;
}
