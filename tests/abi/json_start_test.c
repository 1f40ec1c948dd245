/* krepis_quic_start_json and the functions that tell about a server. */
#include "check.h"
#include "fixture.h"

static char json[4096];

/* The two files and these members. */
static const char* settings_with(const char* members) {
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\"%s%s}", fixture_files.cert_path,
           fixture_files.key_path, *members != '\0' ? "," : "", members);
  return json;
}

/* As a start refuses, so does a check. */
static void expect_check_refused(const char* text, size_t length, uint32_t code, const char* part) {
  CHECK_EQUAL(krepis_quic_check_json(text, length).error_code, code);
  CHECK_CONTAINS(krepis_last_error(), part);
}

static void expect_refused(const char* text, size_t length, uint32_t code, const char* part) {
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  const FfiResponse response = krepis_quic_start_json(text, length);
  CHECK_EQUAL(response.error_code, code);
  CHECK(response.result_buffer.data == NULL);
  CHECK_CONTAINS(krepis_last_error(), part);
  CHECK_EQUAL(open_descriptors(), descriptors_before);
  CHECK_EQUAL(threads(), threads_before);
  expect_check_refused(text, length, code, part);
}

static void expect_member_refused(const char* members, const char* part) {
  const char* const text = settings_with(members);
  expect_refused(text, strlen(text), KREPIS_INVALID_REQUEST, part);
}

static void texts_that_are_no_settings_are_refused(void) {
  expect_refused(NULL, 10, KREPIS_INVALID_POINTER, "json is null");
  expect_refused("", 0, KREPIS_INVALID_REQUEST, "0 bytes");
  expect_refused("[]", 2, KREPIS_INVALID_REQUEST, "expected a JSON object");
  expect_refused("{\"port\":1", 9, KREPIS_INVALID_REQUEST, "not valid JSON");
  expect_refused("{}", 2, KREPIS_INVALID_REQUEST, "cert_path");
  char* const large = calloc(1, (1 << 20) + 2);
  memset(large, ' ', (1 << 20) + 1);
  expect_refused(large, (1 << 20) + 1, KREPIS_INVALID_REQUEST, "1048577 bytes");
  free(large);
}

static void unknown_keys_wrong_types_and_ranges_are_refused_by_name(void) {
  expect_member_refused("\"prot\":4433", "\"prot\" is not a setting");
  expect_member_refused("\"port\":\"4433\"", "port is \"4433\"");
  expect_member_refused("\"port\":1,\"port\":2", "\"port\" is given twice");
  expect_member_refused("\"workers\":65", "workers is 65");
  expect_member_refused("\"alpn\":[]", "alpn");
  expect_member_refused("\"host\":\"example.com\"", "host");
  expect_member_refused("\"service\":\"ftp\"", "service");
  expect_member_refused("\"service\":\"hq\"", "service_root");
  expect_member_refused("\"service\":\"hq\",\"service_root\":\"/no/such/folder\"", "service_root");
}

static void expect_text_of(const char* members, const char* setting) {
  snprintf(json, sizeof json, "{%s}", members);
  CHECK(krepis_quic_start_json(json, strlen(json)).error_code != KREPIS_SUCCESS);
  CHECK(strncmp(krepis_last_error(), setting, strlen(setting)) == 0);
}

static void the_text_of_an_error_about_a_setting_begins_with_its_name(void) {
  char members[2048];
  expect_text_of("", "cert_path");
  expect_text_of("\"cert_path\":\"/missing/key_path\",\"key_path\":\"/missing\"", "cert_path");
  snprintf(members, sizeof members, "\"cert_path\":\"%s\",\"key_path\":\"/missing\"",
           fixture_files.cert_path);
  expect_text_of(members, "key_path");
  snprintf(members, sizeof members, "\"cert_path\":\"%s\",\"key_path\":\"%s\"", fixture_files.key_path,
           fixture_files.cert_path);
  expect_text_of(members, "cert_path");
  snprintf(members, sizeof members, "\"cert_path\":\"%s\",\"key_path\":\"%s\",\"service\":\"hq\"",
           fixture_files.cert_path, fixture_files.key_path);
  expect_text_of(members, "service_root");
}

static void a_check_of_valid_settings_starts_nothing(void) {
  const int descriptors_before = open_descriptors();
  const int threads_before = threads();
  const char* const text = settings_with("\"workers\":2");
  CHECK_EQUAL(krepis_quic_check_json(text, strlen(text)).error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(open_descriptors(), descriptors_before);
  CHECK_EQUAL(threads(), threads_before);
}

static void port_zero_takes_a_free_port_and_tells_it(void) {
  const uint64_t first = start_server_json("\"port\":0");
  const uint64_t second = start_server_json(NULL);
  CHECK(krepis_quic_port(first) != 0);
  CHECK(krepis_quic_port(second) != 0);
  CHECK(krepis_quic_port(first) != krepis_quic_port(second));
  CHECK_EQUAL(krepis_quic_stop(first).error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop(second).error_code, KREPIS_SUCCESS);
}

static void a_trailing_nul_inside_the_length_is_ignored(void) {
  const char* const text = settings_with("");
  const uint64_t handle = handle_of(krepis_quic_start_json(text, strlen(text) + 1));
  CHECK(handle != 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void the_settings_in_force_are_told(void) {
  const uint64_t handle =
      start_server_json("\"workers\":2,\"max_streams\":7,\"service\":\"perf\",\"gso\":false");
  const FfiResponse response = krepis_quic_info(handle);
  const char* const info = text_of(response);
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(json_number(info, "handle"), handle);
  CHECK_EQUAL(json_number(info, "port"), krepis_quic_port(handle));
  CHECK_CONTAINS(info, "\"state\":\"running\"");
  CHECK_EQUAL(json_number(info, "workers"), 2);
  CHECK_EQUAL(json_number(info, "max_streams"), 7);
  CHECK_CONTAINS(info, "\"service\":\"perf\"");
  CHECK_CONTAINS(info, "\"alpn\":[\"perf\"]");
  CHECK_CONTAINS(info, "\"gso\":false");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void the_library_that_encrypts_packets_is_the_one_that_was_asked_for(void) {
  const uint64_t handle = start_server_json("\"packet_protection\":\"gnutls\"");
  CHECK_CONTAINS(text_of(krepis_quic_get_stats(handle)), "\"packet_protection\":\"gnutls\"");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  const char* const text = settings_with("\"packet_protection\":\"ipsec_mb\"");
  const uint64_t other = handle_of(krepis_quic_start_json(text, strlen(text)));
  if (other == 0) { /* not in this build, or no AES instructions */
    CHECK_CONTAINS(krepis_last_error(), "packet_protection");
    return;
  }
  CHECK_CONTAINS(text_of(krepis_quic_get_stats(other)), "\"packet_protection\":\"ipsec_mb\"");
  CHECK_EQUAL(krepis_quic_stop(other).error_code, KREPIS_SUCCESS);
}

static void the_number_of_workers_is_told_when_it_was_left_to_the_library(void) {
  const uint64_t handle = start_server_json("\"workers\":0");
  const double workers = json_number(text_of(krepis_quic_info(handle)), "workers");
  CHECK(workers >= 1 && workers <= 8);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void stop_reports_what_the_drain_did(void) {
  const uint64_t handle = start_server_json("\"service\":\"echo\"");
  const FfiResponse refused = krepis_quic_stop_report(handle, 3600001);
  CHECK_EQUAL(refused.error_code, KREPIS_INVALID_REQUEST);
  CHECK_CONTAINS(krepis_last_error(), "deadline_ms is 3600001");
  const FfiResponse response = krepis_quic_stop_report(handle, 3600000);
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(response), "{\"clean\":true");
  CHECK_EQUAL(json_number(text_of(response), "connections_closed"), 0);
  CHECK_EQUAL(json_number(text_of(response), "streams_completed"), 0);
  CHECK_EQUAL(json_number(text_of(response), "streams_cut"), 0);
  CHECK_EQUAL(json_number(text_of(response), "bytes_unsent"), 0);
  CHECK(json_number(text_of(response), "elapsed_ms") < 2000);
  CHECK_CONTAINS(text_of(response), "\"stats\":{");
  CHECK_EQUAL(json_number(text_of(response), "draining"), 1);
}

static void the_list_holds_exactly_the_servers_that_run(void) {
  char handle_text[32];
  CHECK(strcmp(text_of(krepis_quic_list()), "[]") == 0);
  const uint64_t handle = start_server();
  snprintf(handle_text, sizeof handle_text, "[%" PRIu64 "]", handle);
  CHECK(strcmp(text_of(krepis_quic_list()), handle_text) == 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  CHECK(strcmp(text_of(krepis_quic_list()), "[]") == 0);
}

static void settings_are_described(void) {
  const FfiResponse response = krepis_settings();
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(response),
                 "{\"name\":\"idle_timeout_ms\",\"type\":\"integer\",\"default\":30000,\"min\":1000,"
                 "\"max\":86400000,\"unit\":\"ms\",\"doc\":");
}

static void metrics_are_openmetrics_text(void) {
  const uint64_t handle = start_server();
  const FfiResponse response = krepis_quic_get_metrics(handle);
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  CHECK_CONTAINS(text_of(response), "# TYPE knul_");
  CHECK(strcmp(text_of(response) + response.result_buffer.len - 6, "# EOF\n") == 0);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

int main(void) {
  fixture_set_up();
  RUN(texts_that_are_no_settings_are_refused);
  RUN(unknown_keys_wrong_types_and_ranges_are_refused_by_name);
  RUN(the_text_of_an_error_about_a_setting_begins_with_its_name);
  RUN(a_check_of_valid_settings_starts_nothing);
  RUN(port_zero_takes_a_free_port_and_tells_it);
  RUN(a_trailing_nul_inside_the_length_is_ignored);
  RUN(the_settings_in_force_are_told);
  RUN(the_library_that_encrypts_packets_is_the_one_that_was_asked_for);
  RUN(the_number_of_workers_is_told_when_it_was_left_to_the_library);
  RUN(stop_reports_what_the_drain_did);
  RUN(the_list_holds_exactly_the_servers_that_run);
  RUN(settings_are_described);
  RUN(metrics_are_openmetrics_text);
  return check_summary();
}
