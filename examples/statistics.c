/* Starts a QUIC server, prints its statistics each second for ten seconds, stops it.
 * Usage: statistics <port> <certificate.pem> <key.pem> */
#include <krepis/krepis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FfiBuffer buffer(const char* text) {
  return (FfiBuffer){(const uint8_t*)text, strlen(text), strlen(text), 0};
}

static FfiResponse check(FfiResponse response, const char* what) {
  if (response.error_code != KREPIS_SUCCESS) {
    fprintf(stderr, "%s: %s: %s\n", what, krepis_error_name(response.error_code), krepis_last_error());
    exit(1);
  }
  return response;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: statistics <port> <certificate.pem> <key.pem>\n");
    return 2;
  }
  FfiQuicConfig config = {.port = (uint16_t)atoi(argv[1]), .max_streams = 100, .idle_timeout_ms = 30000};
  config.host_addr = buffer("127.0.0.1");
  config.cert_path = buffer(argv[2]);
  config.key_path = buffer(argv[3]);
  uint64_t handle;
  memcpy(&handle, check(krepis_quic_start(&config), "start").result_buffer.data, sizeof handle);
  for (int second = 0; second < 10; ++second) {
    sleep(1);
    puts((const char*)check(krepis_quic_get_stats(handle), "statistics").result_buffer.data);
  }
  check(krepis_quic_stop(handle), "stop");
  return 0;
}
