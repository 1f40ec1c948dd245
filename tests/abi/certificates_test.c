/* What may stand at cert_path and key_path. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

static char path_buffer[600];

static const char* file_in_folder(const char* name) {
  snprintf(path_buffer, sizeof path_buffer, "%s/%s", fixture_folder, name);
  return path_buffer;
}

static const char* write_file(const char* name, const char* byte, size_t count) {
  const char* const path = file_in_folder(name);
  FILE* const file = fopen(path, "we");
  REQUIRE(file != NULL);
  for (size_t i = 0; i < count; ++i) {
    fputs(byte, file);
  }
  fclose(file);
  return path;
}

static uint64_t start_with(const char* cert_path, const char* key_path, uint32_t expected, const char* part) {
  FfiQuicConfig config = config_for(free_port());
  config.cert_path = text_buffer(cert_path);
  config.key_path = text_buffer(key_path);
  const double before = seconds_now();
  const int descriptors_before = open_descriptors();
  const FfiResponse response = krepis_quic_start(&config);
  CHECK(seconds_now() - before < 10); /* a FIFO or a prompt would hold it for ever */
  CHECK_EQUAL(response.error_code, expected);
  if (expected != KREPIS_SUCCESS) {
    CHECK_CONTAINS(krepis_last_error(), part);
    CHECK_EQUAL(open_descriptors(), descriptors_before);
  } else if (response.error_code != KREPIS_SUCCESS) {
    fprintf(stderr, "%s\n", krepis_last_error());
  }
  return handle_of(response);
}

/* The bad file once as the certificate, once as the key. */
static void expect_both_refused(const char* path) {
  char bad[600];
  snprintf(bad, sizeof bad, "%s", path);
  start_with(bad, fixture_files.key_path, KREPIS_INTERNAL, bad);
  start_with(fixture_files.cert_path, bad, KREPIS_INTERNAL, bad);
}

static void a_missing_file_is_refused(void) { expect_both_refused(file_in_folder("missing.pem")); }
static void a_directory_is_refused(void) { expect_both_refused(fixture_folder); }
static void an_empty_file_is_refused(void) { expect_both_refused(write_file("empty.pem", "", 0)); }
static void a_file_that_is_not_pem_is_refused(void) {
  expect_both_refused(write_file("text.pem", "hello\n", 5));
}
static void a_file_of_more_than_a_megabyte_is_refused(void) {
  expect_both_refused(write_file("large.pem", "0123456789abcde\n", (1 << 16) + 1));
}
static void a_device_is_refused(void) { expect_both_refused("/dev/zero"); }

static void a_fifo_is_refused_without_waiting(void) {
  const char* const path = file_in_folder("fifo.pem");
  REQUIRE(mkfifo(path, 0600) == 0);
  expect_both_refused(path);
}

static void an_unreadable_file_is_refused(void) {
  const uid_t former = geteuid();
  const char* const path = write_file("unreadable.pem", "x", 1);
  REQUIRE(chmod(path, 0) == 0);
  REQUIRE(chmod(fixture_folder, 0755) == 0);
  REQUIRE(chmod(fixture_files.key_path, 0644) == 0);
  REQUIRE(former != 0 || seteuid(65534) == 0); /* root may read everything */
  expect_both_refused(path);
  REQUIRE(former != 0 || seteuid(former) == 0);
}

static void an_encrypted_key_is_refused_without_a_prompt(void) {
  const KnulTestCertificateOptions options = {.key_password = "secret"};
  KnulTestCertificateFiles files;
  REQUIRE(knul_test_write_certificates(fixture_folder, "encrypted", &options, &files) == 0);
  start_with(files.cert_path, files.key_path, KREPIS_INTERNAL, "crypted");
}

static void a_key_of_another_certificate_is_refused(void) {
  KnulTestCertificateFiles other;
  REQUIRE(knul_test_write_certificates(fixture_folder, "other", NULL, &other) == 0);
  start_with(fixture_files.cert_path, other.key_path, KREPIS_INTERNAL, "match");
}

static void a_certificate_as_the_key_is_refused(void) {
  start_with(fixture_files.cert_path, fixture_files.cert_path, KREPIS_INTERNAL, "key");
  start_with(fixture_files.key_path, fixture_files.key_path, KREPIS_INTERNAL, "cert");
}

static void expect_started(const char* name, KnulTestCertificateOptions options, double expired) {
  KnulTestCertificateFiles files;
  REQUIRE(knul_test_write_certificates(fixture_folder, name, &options, &files) == 0);
  const uint64_t handle = start_with(files.cert_path, files.key_path, KREPIS_SUCCESS, "");
  CHECK(json_number(text_of(krepis_quic_get_stats(handle)), "certificate_expired") == expired);
  CHECK_EQUAL(krepis_quic_stop(handle).error_code, KREPIS_SUCCESS);
}

static void every_kind_of_key_starts_a_server(void) {
  expect_started("p256", (KnulTestCertificateOptions){.kind = KNUL_TEST_KEY_P256}, 0);
  expect_started("rsa", (KnulTestCertificateOptions){.kind = KNUL_TEST_KEY_RSA2048}, 0);
  expect_started("ed25519", (KnulTestCertificateOptions){.kind = KNUL_TEST_KEY_ED25519}, 0);
}

static void a_chain_of_nine_certificates_starts_a_server(void) {
  expect_started("chain", (KnulTestCertificateOptions){.chain_length = 9}, 0);
}

static void an_expired_certificate_starts_a_server_and_shows_in_the_statistics(void) {
  expect_started("expired", (KnulTestCertificateOptions){.is_expired = 1}, 1);
}

int main(void) {
  fixture_set_up();
  RUN(a_missing_file_is_refused);
  RUN(a_directory_is_refused);
  RUN(an_empty_file_is_refused);
  RUN(a_file_that_is_not_pem_is_refused);
  RUN(a_file_of_more_than_a_megabyte_is_refused);
  RUN(a_device_is_refused);
  RUN(a_fifo_is_refused_without_waiting);
  RUN(an_unreadable_file_is_refused);
  RUN(an_encrypted_key_is_refused_without_a_prompt);
  RUN(a_key_of_another_certificate_is_refused);
  RUN(a_certificate_as_the_key_is_refused);
  RUN(every_kind_of_key_starts_a_server);
  RUN(a_chain_of_nine_certificates_starts_a_server);
  RUN(an_expired_certificate_starts_a_server_and_shows_in_the_statistics);
  return check_summary();
}
