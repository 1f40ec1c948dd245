/* Certificates as texts, and new ones without a stop. */
#include <unistd.h>

#include "check.h"
#include "fixture.h"

/* Certificate and key at fixed paths, which install() replaces. */
static char cert_path[600];
static char key_path[600];

static void copy_over(const char* from, const char* to) {
  char bytes[16384];
  FILE* const in = fopen(from, "re");
  FILE* const out = fopen(to, "we");
  REQUIRE(in != NULL && out != NULL);
  const size_t size = fread(bytes, 1, sizeof bytes, in);
  REQUIRE(fwrite(bytes, 1, size, out) == size);
  fclose(in);
  fclose(out);
}

static KnulTestCertificateFiles make(const char* name, const char* host) {
  const KnulTestCertificateOptions options = {.host = host};
  KnulTestCertificateFiles files;
  REQUIRE(knul_test_write_certificates(fixture_folder, name, &options, &files) == 0);
  return files;
}

static void install(const char* name, const char* host) {
  const KnulTestCertificateFiles files = make(name, host);
  copy_over(files.cert_path, cert_path);
  copy_over(files.key_path, key_path);
}

/* With the installed files, and `more` members. */
static uint64_t start_installed(const char* more) {
  char json[2000];
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\",\"workers\":1%s}", cert_path,
           key_path, more);
  const uint64_t handle = handle_of(krepis_quic_start_json(json, strlen(json)));
  REQUIRE(handle != 0);
  return handle;
}

static double statistic(uint64_t handle, const char* name) {
  return json_number(text_of(krepis_quic_get_stats(handle)), name);
}

static void a_reload_replaces_the_certificate(void) {
  install("one", "one.example");
  const uint64_t handle = start_installed("");
  CHECK_CONTAINS(text_of(krepis_quic_get_stats(handle)), "\"certificate_names\":\"one.example\"");
  install("two", "two.example");
  const FfiResponse response = krepis_quic_reload(handle);
  CHECK_EQUAL(response.error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(response.result_buffer.len, 0);
  CHECK_CONTAINS(text_of(krepis_quic_get_stats(handle)), "\"certificate_names\":\"two.example\"");
  CHECK_CONTAINS(text_of(krepis_quic_get_metrics(handle)), "certificate_names=\"two.example\"");
  CHECK(statistic(handle, "certificate_generation") == 2);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void a_reload_that_fails_changes_nothing(void) {
  install("one", "one.example");
  const uint64_t handle = start_installed("");
  const int descriptors_before = open_descriptors();
  copy_over(fixture_files.key_path, key_path);
  CHECK_EQUAL(krepis_quic_reload(handle).error_code, KREPIS_INTERNAL);
  CHECK_CONTAINS(krepis_last_error(), "key_path");
  CHECK_CONTAINS(krepis_last_error(), "does not match");
  REQUIRE(unlink(cert_path) == 0);
  CHECK_EQUAL(krepis_quic_reload(handle).error_code, KREPIS_INTERNAL);
  CHECK_CONTAINS(krepis_last_error(), cert_path);
  CHECK_CONTAINS(text_of(krepis_quic_get_stats(handle)), "\"certificate_names\":\"one.example\"");
  CHECK(statistic(handle, "certificate_generation") == 1);
  CHECK(statistic(handle, "certificate_reloads_failed") == 2);
  CHECK_EQUAL(open_descriptors(), descriptors_before);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void a_reload_of_an_unknown_server_is_refused(void) {
  CHECK_EQUAL(krepis_quic_reload(0).error_code, KREPIS_INVALID_POINTER);
  install("one", "one.example");
  const uint64_t handle = start_installed("");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_reload(handle).error_code, KREPIS_INVALID_POINTER);
  FfiResponse out;
  CHECK_EQUAL(krepis_quic_reload_into(handle, &out), KREPIS_INVALID_POINTER);
}

static void a_watched_server_has_one_thread_more_until_its_stop(void) {
  install("one", "one.example");
  const int threads_before = threads();
  const uint64_t handle = start_installed(",\"watch_certificates\":true");
  CHECK_EQUAL(threads(), threads_before + 2);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
  CHECK(threads_come_down_to(threads_before));
}

/* The file as the content of a JSON text. */
static void append_json_text(char* json, size_t size, const char* path) {
  FILE* const file = fopen(path, "re");
  REQUIRE(file != NULL);
  size_t at = strlen(json);
  for (int byte = fgetc(file); byte != EOF && at + 3 < size; byte = fgetc(file)) {
    if (byte == '\n') {
      json[at++] = '\\';
      byte = 'n';
    }
    json[at++] = (char)byte;
  }
  json[at] = '\0';
  fclose(file);
}

static char texts_json[8192];

static void write_texts_json(const char* more) {
  snprintf(texts_json, sizeof texts_json, "{\"workers\":1%s,\"cert_pem\":\"", more);
  append_json_text(texts_json, sizeof texts_json - 8, fixture_files.cert_path);
  strcat(texts_json, "\",\"key_pem\":\"");
  append_json_text(texts_json, sizeof texts_json - 8, fixture_files.key_path);
  strcat(texts_json, "\"}");
}

static void a_key_given_as_text_is_shown_nowhere(void) {
  write_texts_json("");
  const uint64_t handle = handle_of(krepis_quic_start_json(texts_json, strlen(texts_json)));
  REQUIRE(handle != 0);
  CHECK_CONTAINS(text_of(krepis_quic_info(handle)), "\"key_pem\":\"(not shown)\"");
  CHECK_CONTAINS(text_of(krepis_quic_info(handle)), "-----BEGIN CERTIFICATE-----");
  CHECK(strstr(text_of(krepis_quic_info(handle)), "PRIVATE KEY") == NULL);
  CHECK_EQUAL(krepis_quic_reload(handle).error_code, KREPIS_INVALID_CONTEXT);
  CHECK_CONTAINS(krepis_last_error(), "texts");
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void an_error_shows_no_part_of_a_key(void) {
  static const char* const kMore[] = {",\"port\":-1", ",\"key_path\":\"k\"", ",\"host\":\"x\"",
                                      ",\"watch_certificates\":true", ",\"sni_cert_paths\":[\"/missing\"]"};
  for (size_t i = 0; i < sizeof kMore / sizeof *kMore; ++i) {
    write_texts_json(kMore[i]);
    CHECK_EQUAL(krepis_quic_start_json(texts_json, strlen(texts_json)).error_code, KREPIS_INVALID_REQUEST);
    CHECK(strstr(krepis_last_error(), "PRIVATE") == NULL);
  }
}

int main(void) {
  fixture_set_up();
  snprintf(cert_path, sizeof cert_path, "%s/installed.cert.pem", fixture_folder);
  snprintf(key_path, sizeof key_path, "%s/installed.key.pem", fixture_folder);
  RUN(a_reload_replaces_the_certificate);
  RUN(a_reload_that_fails_changes_nothing);
  RUN(a_reload_of_an_unknown_server_is_refused);
  RUN(a_watched_server_has_one_thread_more_until_its_stop);
  RUN(a_key_given_as_text_is_shown_nowhere);
  RUN(an_error_shows_no_part_of_a_key);
  return check_summary();
}
