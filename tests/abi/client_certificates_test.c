/* What a program in C learns of the certificates of its clients. */
#include "consumer.h"
#include "fixture.h"
#include "peer.h"

static KnulTestCertificateFiles alice;

static uint64_t start_with_client_auth(const char* mode) {
  char more[1200];
  snprintf(more, sizeof more, "\"workers\":1,\"client_auth\":\"%s\",\"client_ca_path\":\"%s\"", mode,
           alice.ca_path);
  return start_server_json(more);
}

static void expect_alice(const char* json) {
  CHECK_CONTAINS(json,
                 "\"peer_certificate\":{\"subject\":\"CN=alice\",\"issuer\":\"CN=KNUL test authority 1\"");
  CHECK_CONTAINS(json, "\"serial\":\"01\",\"sha256\":\"");
  CHECK_CONTAINS(json, "\"dns_names\":[\"alice\"],\"uris\":[],\"ip_addresses\":[\"127.0.0.1\",\"::1\"]");
  CHECK_CONTAINS(json, "\"emails\":[],\"names_omitted\":false,\"verified\":true}}");
}

static void a_certificate_is_in_the_first_event_the_info_and_the_list(void) {
  const uint64_t server = start_with_client_auth("required");
  Consumer consumer;
  consumer_open(&consumer, server, NULL);
  Peer* const peer = peer_connect_as(krepis_quic_port(server), alice.cert_path, alice.key_path);
  REQUIRE(peer != NULL);
  const FfiEvent opened = consumer_await(&consumer, KREPIS_EVENT_CONNECTION_OPENED);
  char identity[2000] = "";
  REQUIRE(opened.length > 0 && opened.length < sizeof identity);
  memcpy(identity, consumer_bytes(&consumer, &opened), opened.length);
  expect_alice(identity);
  consumer_release(&consumer, &opened);
  FfiResponse info;
  CHECK_EQUAL(krepis_connection_info_into(consumer.region.channel, opened.connection, &info), KREPIS_SUCCESS);
  expect_alice(text_of(info));
  CHECK_CONTAINS(text_of(krepis_quic_connections(server)), "\"certificate_subject\":\"CN=alice\"");
  CHECK(json_number(text_of(krepis_quic_get_stats(server)), "client_certificates_accepted") == 1);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void a_connection_without_a_certificate_has_none(void) {
  const uint64_t server = start_with_client_auth("optional");
  Consumer consumer;
  consumer_open(&consumer, server, NULL);
  Peer* const peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  const uint32_t connection = consumer_await_connection(&consumer);
  FfiResponse info;
  CHECK_EQUAL(krepis_connection_info_into(consumer.region.channel, connection, &info), KREPIS_SUCCESS);
  CHECK(strstr(text_of(info), "peer_certificate") == NULL);
  CHECK_CONTAINS(text_of(krepis_quic_connections(server)), "\"certificate_subject\":\"\"");
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void a_client_without_the_required_certificate_is_refused(void) {
  const uint64_t server = start_with_client_auth("required");
  Peer* const peer = peer_connect_briefly(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  uint64_t code = 0;
  CHECK_EQUAL(peer_wait_closed(peer, &code), 0);
  CHECK_EQUAL(code, 0x174);
  CHECK(json_number(text_of(krepis_quic_get_stats(server)), "client_certificates_refused_missing") == 1);
  peer_free(peer);
  krepis_quic_stop_report(server, 0);
}

static void expect_not_started(const char* more, uint32_t code, const char* part) {
  char json[3000];
  snprintf(json, sizeof json, "{\"cert_path\":\"%s\",\"key_path\":\"%s\",%s}", fixture_files.cert_path,
           fixture_files.key_path, more);
  CHECK_EQUAL(krepis_quic_start_json(json, strlen(json)).error_code, code);
  CHECK_CONTAINS(krepis_last_error(), part);
  CHECK_EQUAL(krepis_quic_check_json(json, strlen(json)).error_code, code);
}

static void settings_without_usable_authorities_are_refused(void) {
  expect_not_started("\"client_auth\":\"required\"", KREPIS_INVALID_REQUEST,
                     "client_ca_path is not given beside client_auth \"required\"");
  expect_not_started("\"client_auth\":\"always\"", KREPIS_INVALID_REQUEST, "client_auth is \"always\"");
  expect_not_started("\"client_ca_pem\":\"x\"", KREPIS_INVALID_REQUEST,
                     "client_auth is \"none\" beside client_ca_pem");
  expect_not_started("\"client_auth\":\"optional\",\"client_ca_pem\":\"x\"", KREPIS_INTERNAL,
                     "client_ca_pem: expected PEM certificates of authorities");
  expect_not_started("\"client_auth\":\"optional\",\"client_ca_path\":\"/missing\"", KREPIS_INTERNAL,
                     "client_ca_path \"/missing\": No such file");
}

int main(void) {
  fixture_set_up();
  const KnulTestCertificateOptions options = {.host = "alice", .chain_length = 2, .is_client = 1};
  REQUIRE(knul_test_write_certificates(fixture_folder, "alice", &options, &alice) == 0);
  RUN(a_certificate_is_in_the_first_event_the_info_and_the_list);
  RUN(a_connection_without_a_certificate_has_none);
  RUN(a_client_without_the_required_certificate_is_refused);
  RUN(settings_without_usable_authorities_are_refused);
  return check_summary();
}
