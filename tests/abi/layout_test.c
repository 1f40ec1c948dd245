/* Layouts, constants and versions: what a binding in another language relies on without reading the header.
 */
#include "check.h"

#include <krepis/krepis.h>

static void structs_have_the_frozen_sizes_and_offsets(void) {
  CHECK_EQUAL(sizeof(FfiBuffer), 32);
  CHECK_EQUAL(_Alignof(FfiBuffer), 8);
  CHECK_EQUAL(offsetof(FfiBuffer, data), 0);
  CHECK_EQUAL(offsetof(FfiBuffer, len), 8);
  CHECK_EQUAL(offsetof(FfiBuffer, cap), 16);
  CHECK_EQUAL(offsetof(FfiBuffer, reserved), 24);
  CHECK_EQUAL(sizeof(FfiResponse), 40);
  CHECK_EQUAL(_Alignof(FfiResponse), 8);
  CHECK_EQUAL(offsetof(FfiResponse, error_code), 0);
  CHECK_EQUAL(offsetof(FfiResponse, reserved), 4);
  CHECK_EQUAL(offsetof(FfiResponse, result_buffer), 8);
  CHECK_EQUAL(sizeof(FfiQuicConfig), 112);
  CHECK_EQUAL(_Alignof(FfiQuicConfig), 8);
  CHECK_EQUAL(offsetof(FfiQuicConfig, port), 0);
  CHECK_EQUAL(offsetof(FfiQuicConfig, reserved), 2);
  CHECK_EQUAL(offsetof(FfiQuicConfig, max_streams), 4);
  CHECK_EQUAL(offsetof(FfiQuicConfig, idle_timeout_ms), 8);
  CHECK_EQUAL(offsetof(FfiQuicConfig, host_addr), 16);
  CHECK_EQUAL(offsetof(FfiQuicConfig, cert_path), 48);
  CHECK_EQUAL(offsetof(FfiQuicConfig, key_path), 80);
}

static void every_code_has_its_frozen_number_and_name(void) {
  static const struct {
    uint32_t constant;
    uint32_t number;
    const char* name;
  } kCodes[] = {{KREPIS_SUCCESS, 0, "Success"},
                {KREPIS_INTERNAL, 1000, "Internal"},
                {KREPIS_INVALID_CONTEXT, 1001, "InvalidContext"},
                {KREPIS_ABI_MISMATCH, 1002, "AbiMismatch"},
                {KREPIS_MEMORY_ALIGNMENT, 1003, "MemoryAlignment"},
                {KREPIS_INVALID_POINTER, 1004, "InvalidPointer"},
                {KREPIS_TIMEOUT, 2000, "Timeout"},
                {KREPIS_QUOTA_EXCEEDED, 3000, "QuotaExceeded"},
                {KREPIS_OUT_OF_MEMORY, 3001, "OutOfMemory"},
                {KREPIS_CONCURRENCY_LIMIT_EXCEEDED, 3003, "ConcurrencyLimitExceeded"},
                {KREPIS_HANDSHAKE_FAILED, 4000, "HandshakeFailed"},
                {KREPIS_INVALID_REQUEST, 4001, "InvalidRequest"},
                {KREPIS_VERSION_MISMATCH, 4002, "VersionMismatch"},
                {KREPIS_NETWORK_ERROR, 5000, "NetworkError"},
                {KREPIS_CONNECTION_FAILED, 5001, "ConnectionFailed"}};
  for (size_t i = 0; i < sizeof kCodes / sizeof kCodes[0]; ++i) {
    CHECK_EQUAL(kCodes[i].constant, kCodes[i].number);
    CHECK(strcmp(krepis_error_name(kCodes[i].number), kCodes[i].name) == 0);
  }
}

static void numbers_that_are_not_codes_are_reserved(void) {
  static const uint32_t kOthers[] = {1, 999, 1005, 3002, 4003, 5002, 0xffffffffu};
  for (size_t i = 0; i < sizeof kOthers / sizeof kOthers[0]; ++i) {
    CHECK(strcmp(krepis_error_name(kOthers[i]), "Reserved") == 0);
  }
}

static void the_library_says_the_version_of_this_header(void) {
  char text[32];
  const uint32_t version = krepis_abi_version();
  CHECK_EQUAL(version, KREPIS_ABI_VERSION);
  CHECK_EQUAL(version, 0x00010200);
  snprintf(text, sizeof text, "%u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
  CHECK(strcmp(krepis_version(), text) == 0);
}

static void a_thread_without_a_failed_call_has_an_empty_error_text(void) {
  CHECK_EQUAL(strlen(krepis_last_error()), 0);
}

int main(void) {
  RUN(structs_have_the_frozen_sizes_and_offsets);
  RUN(every_code_has_its_frozen_number_and_name);
  RUN(numbers_that_are_not_codes_are_reserved);
  RUN(the_library_says_the_version_of_this_header);
  RUN(a_thread_without_a_failed_call_has_an_empty_error_text);
  return check_summary();
}
