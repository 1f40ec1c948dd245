/* The table of the contract, row by row. The rows about certificates are in certificates_test.c, about
 * handles in handles_test.c, about the drain deadline in drain_test.c, about memory in allocation_test.c. */
#define _GNU_SOURCE
#include <stdalign.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

/* Starts, expects this code and a text with this part, and that nothing is left behind. */
static void expect_refused(const FfiQuicConfig* config, uint32_t code, const char* text) {
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  const FfiResponse response = krepis_quic_start(config);
  CHECK_EQUAL(response.error_code, code);
  CHECK_EQUAL(response.result_buffer.len, 0);
  CHECK(response.result_buffer.data == NULL);
  CHECK_CONTAINS(krepis_last_error(), text);
  CHECK_EQUAL(open_descriptors(), descriptors_before);
  CHECK_EQUAL(threads(), threads_before);
}

static void a_null_config_is_an_invalid_pointer(void) {
  expect_refused(NULL, KREPIS_INVALID_POINTER, "config is null");
}

static void a_misaligned_config_is_refused_before_anything_is_read(void) {
  /* A page that must not be touched: reading it would end the process. */
  uint8_t* const page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(page != MAP_FAILED);
  for (size_t offset = 1; offset < 8; ++offset) {
    expect_refused((const FfiQuicConfig*)(const void*)(page + offset), KREPIS_MEMORY_ALIGNMENT, "aligned");
  }
  munmap(page, 4096);
}

static void numbers_out_of_range_are_invalid_requests(void) {
  FfiQuicConfig config = config_for(0);
  expect_refused(&config, KREPIS_INVALID_REQUEST, "port is 0");
  config = config_for(4433);
  config.max_streams = 0;
  expect_refused(&config, KREPIS_INVALID_REQUEST, "max_streams is 0");
  config = config_for(4433);
  config.idle_timeout_ms = 999;
  expect_refused(&config, KREPIS_INVALID_REQUEST, "idle_timeout_ms is 999");
  config.idle_timeout_ms = 0;
  expect_refused(&config, KREPIS_INVALID_REQUEST, "idle_timeout_ms is 0");
}

static void numbers_at_their_limits_start_a_server(void) {
  static const uint32_t kStreams[] = {1, 2, UINT32_MAX};
  static const uint64_t kTimeouts[] = {1000, 86400000, 86400001, UINT64_MAX};
  for (size_t i = 0; i < 3; ++i) {
    FfiQuicConfig config = config_for(free_port());
    config.max_streams = kStreams[i];
    const uint64_t handle = handle_of(krepis_quic_start(&config));
    CHECK(handle != 0);
    CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  }
  for (size_t i = 0; i < 4; ++i) {
    FfiQuicConfig config = config_for(free_port());
    config.idle_timeout_ms = kTimeouts[i];
    const uint64_t handle = handle_of(krepis_quic_start(&config));
    CHECK(handle != 0);
    const double expected = kTimeouts[i] > 86400000 ? 86400000 : (double)kTimeouts[i];
    CHECK(json_number(text_of(krepis_quic_info(handle)), "idle_timeout_ms") == expected);
    CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  }
}

static FfiBuffer* field(FfiQuicConfig* config, int index) {
  return index == 0 ? &config->host_addr : index == 1 ? &config->cert_path : &config->key_path;
}

static void wrong_buffers_are_invalid_requests_that_name_their_field(void) {
  static const char* const kNames[] = {"host_addr", "cert_path", "key_path"};
  static const uint64_t kLimits[] = {255, 4096, 4096};
  char* const large = malloc(8192);
  memset(large, 'x', 8192);
  for (int i = 0; i < 3; ++i) {
    FfiQuicConfig config = config_for(4433);
    field(&config, i)->len = 0;
    expect_refused(&config, KREPIS_INVALID_REQUEST, kNames[i]);
    *field(&config, i) = (FfiBuffer){(const uint8_t*)"", 1, 1, 0}; /* nothing but the NUL */
    expect_refused(&config, KREPIS_INVALID_REQUEST, kNames[i]);
    *field(&config, i) = (FfiBuffer){NULL, 9, 9, 0};
    expect_refused(&config, KREPIS_INVALID_REQUEST, kNames[i]);
    *field(&config, i) = (FfiBuffer){(const uint8_t*)large, kLimits[i] + 1, 8192, 0};
    expect_refused(&config, KREPIS_INVALID_REQUEST, kNames[i]);
    *field(&config, i) = (FfiBuffer){(const uint8_t*)large, UINT64_MAX, UINT64_MAX, 0};
    expect_refused(&config, KREPIS_INVALID_REQUEST, kNames[i]);
    config = config_for(4433);
    field(&config, i)->cap = field(&config, i)->len - 1;
    expect_refused(&config, KREPIS_INVALID_REQUEST, kNames[i]);
    *field(&config, i) = (FfiBuffer){(const uint8_t*)"127.0\0.1", 8, 8, 0};
    expect_refused(&config, KREPIS_INVALID_REQUEST, "NUL at byte 5");
  }
  free(large);
}

static void a_path_of_exactly_4096_bytes_is_passed_on_to_the_file_system(void) {
  char* const path = malloc(4097);
  memset(path, 'x', 4096);
  path[4096] = '\0';
  for (uint64_t length = 4096; length <= 4097; ++length) { /* the second with its NUL */
    FfiQuicConfig config = config_for(free_port());
    config.cert_path = (FfiBuffer){(const uint8_t*)path, length, length, 0};
    expect_refused(&config, KREPIS_INTERNAL, "cert_path");
  }
  free(path);
}

static void a_host_that_is_no_address_is_an_invalid_request(void) {
  static const char* const kHosts[] = {"example.com", "127.0.0.1:80", "[::1]",
                                       "256.0.0.1",   "LOCALHOST ",   "::g"};
  for (size_t i = 0; i < sizeof kHosts / sizeof kHosts[0]; ++i) {
    FfiQuicConfig config = config_for(4433);
    config.host_addr = text_buffer(kHosts[i]);
    expect_refused(&config, KREPIS_INVALID_REQUEST, "host");
  }
}

static void numeric_addresses_and_localhost_start_a_server(void) {
  static const char* const kHosts[] = {"127.0.0.1", "0.0.0.0", "localhost", "::1", "::"};
  const size_t count = access("/proc/net/if_inet6", R_OK) == 0 ? 5 : 3; /* without IPv6 in the kernel */
  for (size_t i = 0; i < count; ++i) {
    FfiQuicConfig config = config_for(free_port());
    config.host_addr = text_buffer(kHosts[i]);
    const uint64_t handle = handle_of(krepis_quic_start(&config));
    CHECK(handle != 0);
    CHECK_EQUAL(krepis_quic_port(handle), config.port);
    CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  }
}

static void a_nul_as_the_last_counted_byte_is_ignored(void) {
  FfiQuicConfig config = config_for(free_port());
  ++config.host_addr.len, ++config.host_addr.cap;
  ++config.cert_path.len, ++config.cert_path.cap;
  ++config.key_path.len, ++config.key_path.cap;
  const uint64_t handle = handle_of(krepis_quic_start(&config));
  CHECK(handle != 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

/* The text at the very end of a page, followed by a page that cannot be read. */
static FfiBuffer before_guard_page(const char* text) {
  const size_t length = strlen(text);
  uint8_t* const pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(pages != MAP_FAILED);
  REQUIRE(mprotect(pages + 4096, 4096, PROT_NONE) == 0);
  memcpy(pages + 4096 - length, text, length);
  return (FfiBuffer){pages + 4096 - length, length, length, 0};
}

static void no_byte_behind_a_text_is_read(void) {
  FfiQuicConfig config = config_for(free_port());
  config.host_addr = before_guard_page("127.0.0.1");
  config.cert_path = before_guard_page(fixture_files.cert_path);
  config.key_path = before_guard_page(fixture_files.key_path);
  const uint64_t handle = handle_of(krepis_quic_start(&config));
  CHECK(handle != 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  const FfiBuffer json = before_guard_page("{\"port\":");
  CHECK_EQUAL(krepis_quic_start_json((const char*)json.data, json.len).error_code, KREPIS_INVALID_REQUEST);
}

static void the_config_may_be_freed_and_overwritten_right_after_start(void) {
  FfiQuicConfig* const config = malloc(sizeof *config);
  char* const host = strdup("127.0.0.1");
  char* const cert = strdup(fixture_files.cert_path);
  const uint16_t port = free_port();
  *config = config_for(port);
  config->host_addr = text_buffer(host);
  config->cert_path = text_buffer(cert);
  const uint64_t handle = handle_of(krepis_quic_start(config));
  memset(host, 0xff, strlen(host));
  memset(cert, 0xff, strlen(cert));
  memset(config, 0xff, sizeof *config);
  free(host);
  free(cert);
  free(config);
  CHECK(handle != 0);
  CHECK_CONTAINS(text_of(krepis_quic_info(handle)), fixture_files.cert_path);
  CHECK_CONTAINS(text_of(krepis_quic_info(handle)), "\"host\":\"127.0.0.1\"");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void a_port_in_use_is_a_network_error_and_leaves_nothing_behind(void) {
  const uint64_t handle = start_server();
  const FfiQuicConfig config = config_for(krepis_quic_port(handle));
  char port[16];
  snprintf(port, sizeof port, "%u", config.port);
  expect_refused(&config, KREPIS_NETWORK_ERROR, port);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  const uint64_t next = handle_of(krepis_quic_start(&config));
  CHECK(next != 0);
  CHECK_EQUAL(krepis_quic_stop(next).error_code, KREPIS_SUCCESS);
}

static void an_address_of_another_machine_is_a_network_error(void) {
  FfiQuicConfig config = config_for(free_port());
  config.host_addr = text_buffer("192.0.2.1"); /* RFC 5737: nobody has it */
  expect_refused(&config, KREPIS_NETWORK_ERROR, "192.0.2.1");
}

static int first_unprivileged_port(void) {
  FILE* const file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
  int port = 1024;
  if (file != NULL) {
    CHECK_EQUAL(fscanf(file, "%d", &port), 1);
    fclose(file);
  }
  return port;
}

static void a_privileged_port_without_the_privilege_is_a_network_error(void) {
  const uid_t former = geteuid();
  if (first_unprivileged_port() <= 1) {
    puts("skip: this system has no privileged ports");
    return;
  }
  REQUIRE(chmod(fixture_folder, 0755) == 0);
  REQUIRE(chmod(fixture_files.key_path, 0644) == 0);
  REQUIRE(former != 0 || seteuid(65534) == 0);
  const FfiQuicConfig config = config_for(1);
  expect_refused(&config, KREPIS_NETWORK_ERROR, "ermission");
  REQUIRE(former != 0 || seteuid(former) == 0);
}

static void the_into_forms_refuse_an_out_that_cannot_be_written_and_do_nothing(void) {
  const int descriptors_before = open_descriptors();
  const FfiQuicConfig config = config_for(free_port());
  alignas(8) uint8_t bytes[sizeof(FfiResponse) + 8];
  memset(bytes, 0x5a, sizeof bytes);
  FfiResponse* const misaligned = (FfiResponse*)(void*)(bytes + 4);
  CHECK_EQUAL(krepis_quic_start_into(&config, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_start_into(&config, misaligned), KREPIS_MEMORY_ALIGNMENT);
  CHECK_EQUAL(krepis_quic_start_json_into("{}", 2, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_check_json_into("{}", 2, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_stop_into(1, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_stop_report_into(1, 0, misaligned), KREPIS_MEMORY_ALIGNMENT);
  CHECK_EQUAL(krepis_quic_get_stats_into(1, misaligned), KREPIS_MEMORY_ALIGNMENT);
  CHECK_EQUAL(krepis_quic_get_metrics_into(1, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_connections_into(1, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_info_into(1, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_reload_into(1, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_list_into(NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_settings_into(misaligned), KREPIS_MEMORY_ALIGNMENT);
  CHECK_CONTAINS(krepis_last_error(), "out");
  for (size_t i = 0; i < sizeof bytes; ++i) {
    CHECK_EQUAL(bytes[i], 0x5a);
  }
  CHECK_EQUAL(open_descriptors(), descriptors_before);
}

static void the_into_forms_do_what_the_others_do(void) {
  FfiResponse out;
  const FfiQuicConfig config = config_for(free_port());
  CHECK_EQUAL(krepis_quic_start_into(&config, &out), KREPIS_SUCCESS);
  const uint64_t handle = handle_of(out);
  CHECK(handle != 0);
  CHECK_EQUAL(krepis_quic_get_stats_into(handle, &out), KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(out), "\"uptime_ms\":");
  CHECK_EQUAL(krepis_quic_get_metrics_into(handle, &out), KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(out), "# EOF");
  CHECK_EQUAL(krepis_quic_connections_into(handle, &out), KREPIS_SUCCESS);
  CHECK(strcmp(text_of(out), "[]") == 0);
  CHECK_EQUAL(krepis_quic_connections_json_into(handle, NULL, 0, &out), KREPIS_SUCCESS);
  CHECK(strcmp(text_of(out), "{\"connections\":[],\"matches\":0,\"next\":null}") == 0);
  CHECK_EQUAL(krepis_quic_info_into(handle, &out), KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(out), "\"state\":\"running\"");
  CHECK_EQUAL(krepis_quic_reload_into(handle, &out), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_list_into(&out), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_settings_into(&out), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop_into(handle, &out), KREPIS_SUCCESS);
  CHECK_EQUAL(out.result_buffer.len, 0);
  CHECK_EQUAL(krepis_quic_stop_report_into(handle, 0, &out), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(out.error_code, KREPIS_INVALID_POINTER);
}

static void the_bytes_of_start_stay_while_other_results_come_and_go(void) {
  const FfiQuicConfig config = config_for(free_port());
  const FfiResponse response = krepis_quic_start(&config);
  const uint64_t handle = handle_of(response);
  CHECK_EQUAL(response.result_buffer.len, 8);
  CHECK_EQUAL(response.result_buffer.cap, 8);
  CHECK(handle != 0 && handle < (UINT64_C(1) << 53));
  for (int i = 0; i < 100; ++i) {
    krepis_quic_get_stats(handle);
    krepis_settings();
  }
  CHECK_EQUAL(handle_of(response), handle);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void statistics_hold_the_seven_fields_of_the_contract(void) {
  static const char* const kFields[] = {"total_requests",  "active_connections", "total_bytes_in",
                                        "total_bytes_out", "avg_latency_ms",     "error_count",
                                        "uptime_ms"};
  const uint64_t handle = start_server();
  const FfiResponse response = krepis_quic_get_stats(handle);
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(response.result_buffer.len, strlen(text_of(response)));
  for (size_t i = 0; i < 7; ++i) {
    CHECK(json_number(text_of(response), kFields[i]) >= 0);
  }
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

int main(void) {
  fixture_set_up();
  RUN(a_null_config_is_an_invalid_pointer);
  RUN(a_misaligned_config_is_refused_before_anything_is_read);
  RUN(numbers_out_of_range_are_invalid_requests);
  RUN(numbers_at_their_limits_start_a_server);
  RUN(wrong_buffers_are_invalid_requests_that_name_their_field);
  RUN(a_path_of_exactly_4096_bytes_is_passed_on_to_the_file_system);
  RUN(a_host_that_is_no_address_is_an_invalid_request);
  RUN(numeric_addresses_and_localhost_start_a_server);
  RUN(a_nul_as_the_last_counted_byte_is_ignored);
  RUN(no_byte_behind_a_text_is_read);
  RUN(the_config_may_be_freed_and_overwritten_right_after_start);
  RUN(a_port_in_use_is_a_network_error_and_leaves_nothing_behind);
  RUN(an_address_of_another_machine_is_a_network_error);
  RUN(a_privileged_port_without_the_privilege_is_a_network_error);
  RUN(the_into_forms_refuse_an_out_that_cannot_be_written_and_do_nothing);
  RUN(the_into_forms_do_what_the_others_do);
  RUN(the_bytes_of_start_stay_while_other_results_come_and_go);
  RUN(statistics_hold_the_seven_fields_of_the_contract);
  return check_summary();
}
