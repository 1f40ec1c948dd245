/* krepis/channel.h: every struct's layout, each parameter of each function wrong once, every wrong order. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "consumer.h"
#include "fixture.h"
#include "peer.h"

enum { kNoHandle = 0x7ffffff0 };

static uint64_t server;
static Consumer consumer;
static Peer* peer;
static uint32_t connection;
static FfiEvent data; /* of a bidirectional stream of the peer, 10 bytes */

static uint32_t channel(void) { return consumer.region.channel; }

static void set_up(void) {
  server = start_server_json("\"workers\":2");
  consumer_open(&consumer, server, NULL);
  peer = peer_connect(krepis_quic_port(server));
  REQUIRE(peer != NULL);
  connection = consumer_await_connection(&consumer);
  REQUIRE(peer_write(peer, peer_open(peer, 0), 10, 0) == 0);
  data = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
}

static void tear_down(void) {
  consumer_release(&consumer, &data);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void structs_have_the_documented_layout(void) {
  CHECK_EQUAL(sizeof(FfiChannelConfig), 56);
  CHECK_EQUAL(offsetof(FfiChannelConfig, arena_bytes), 0);
  CHECK_EQUAL(offsetof(FfiChannelConfig, ring_records), 8);
  CHECK_EQUAL(offsetof(FfiChannelConfig, queue_bytes), 12);
  CHECK_EQUAL(offsetof(FfiChannelConfig, wake), 16);
  CHECK_EQUAL(offsetof(FfiChannelConfig, consumer_timeout_ms), 20);
  CHECK_EQUAL(offsetof(FfiChannelConfig, wake_path), 24);
  CHECK_EQUAL(sizeof(FfiChannelRegion), 64);
  CHECK_EQUAL(offsetof(FfiChannelRegion, base), 0);
  CHECK_EQUAL(offsetof(FfiChannelRegion, bytes), 8);
  CHECK_EQUAL(offsetof(FfiChannelRegion, ring_offset), 16);
  CHECK_EQUAL(offsetof(FfiChannelRegion, ring_stride), 24);
  CHECK_EQUAL(offsetof(FfiChannelRegion, arena_offset), 32);
  CHECK_EQUAL(offsetof(FfiChannelRegion, arena_bytes), 40);
  CHECK_EQUAL(offsetof(FfiChannelRegion, channel), 48);
  CHECK_EQUAL(offsetof(FfiChannelRegion, rings), 52);
  CHECK_EQUAL(offsetof(FfiChannelRegion, ring_records), 56);
  CHECK_EQUAL(offsetof(FfiChannelRegion, wake_fd), 60);
  CHECK_EQUAL(sizeof(FfiEvent), 64);
  CHECK_EQUAL(offsetof(FfiEvent, type), 0);
  CHECK_EQUAL(offsetof(FfiEvent, flags), 4);
  CHECK_EQUAL(offsetof(FfiEvent, connection), 8);
  CHECK_EQUAL(offsetof(FfiEvent, stream), 12);
  CHECK_EQUAL(offsetof(FfiEvent, offset), 16);
  CHECK_EQUAL(offsetof(FfiEvent, length), 20);
  CHECK_EQUAL(offsetof(FfiEvent, sequence), 24);
  CHECK_EQUAL(offsetof(FfiEvent, value), 28);
  CHECK_EQUAL(offsetof(FfiEvent, timestamp_us), 32);
  CHECK_EQUAL(offsetof(FfiEvent, stream_id), 40);
  CHECK_EQUAL(offsetof(FfiEvent, code), 48);
  CHECK_EQUAL(offsetof(FfiEvent, reserved), 56);
}

static void check_refused(const FfiChannelConfig* config, const char* text) {
  FfiChannelRegion region;
  memset(&region, 0x5a, sizeof region);
  CHECK_EQUAL(krepis_channel_open(server, config, &region), KREPIS_INVALID_REQUEST);
  CHECK_CONTAINS(krepis_last_error(), text);
  CHECK_EQUAL(region.channel, 0x5a5a5a5a);
}

static void open_refuses_each_wrong_parameter(void) {
  _Alignas(8) uint8_t bytes[128] = {0};
  FfiChannelRegion region;
  server = start_server_json(NULL);
  CHECK_EQUAL(krepis_channel_open(server, NULL, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_open(server, NULL, (FfiChannelRegion*)(void*)(bytes + 1)),
              KREPIS_MEMORY_ALIGNMENT);
  CHECK_EQUAL(krepis_channel_open(server, (const FfiChannelConfig*)(const void*)(bytes + 1), &region),
              KREPIS_MEMORY_ALIGNMENT);
  CHECK_EQUAL(krepis_channel_open(server + (1u << 20), NULL, &region), KREPIS_INVALID_POINTER);
  check_refused(&(FfiChannelConfig){.arena_bytes = (1 << 20) - 1}, "arena_bytes is 1048575");
  check_refused(&(FfiChannelConfig){.arena_bytes = (2ull << 30) + 1}, "arena_bytes is 2147483649");
  check_refused(&(FfiChannelConfig){.ring_records = 32}, "ring_records is 32");
  check_refused(&(FfiChannelConfig){.ring_records = 96}, "ring_records is 96");
  check_refused(&(FfiChannelConfig){.ring_records = 2097152}, "ring_records is 2097152");
  check_refused(&(FfiChannelConfig){.queue_bytes = 4095}, "queue_bytes is 4095");
  check_refused(&(FfiChannelConfig){.queue_bytes = (256 << 20) + 1}, "queue_bytes is 268435457");
  check_refused(&(FfiChannelConfig){.wake = 3}, "wake is 3");
  check_refused(&(FfiChannelConfig){.consumer_timeout_ms = 499}, "consumer_timeout_ms is 499");
  check_refused(&(FfiChannelConfig){.consumer_timeout_ms = 3600001}, "consumer_timeout_ms is 3600001");
  check_refused(&(FfiChannelConfig){.wake_path = text_buffer("/tmp/x")}, "wake_path is given");
  check_refused(&(FfiChannelConfig){.wake = KREPIS_WAKE_PATH}, "wake_path.len is 0");
  check_refused(&(FfiChannelConfig){.wake = KREPIS_WAKE_PATH, .wake_path = text_buffer("/no/such/folder/x")},
                "cannot bind wake_path");
  CHECK_EQUAL(krepis_quic_stop(server).error_code, KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_open(server, NULL, &region), KREPIS_INVALID_POINTER);
}

static void a_server_with_a_service_has_no_channels(void) {
  FfiChannelRegion region;
  const uint64_t echo = start_server_json("\"service\":\"echo\"");
  CHECK_EQUAL(krepis_channel_open(echo, NULL, &region), KREPIS_INVALID_REQUEST);
  CHECK_CONTAINS(krepis_last_error(), "built-in service");
  krepis_quic_stop(echo);
}

static void a_server_has_64_channels_at_most(void) {
  uint32_t channels[64];
  FfiChannelRegion region;
  server = start_server_json("\"workers\":1");
  const int descriptors = open_descriptors();
  for (int i = 0; i < 64; ++i) {
    CHECK_EQUAL(krepis_channel_open(server, NULL, &region), KREPIS_SUCCESS);
    channels[i] = region.channel;
  }
  CHECK_EQUAL(krepis_channel_open(server, NULL, &region), KREPIS_CONCURRENCY_LIMIT_EXCEEDED);
  for (int i = 0; i < 64; ++i) {
    CHECK_EQUAL(krepis_channel_close(channels[i]), KREPIS_SUCCESS);
    CHECK_EQUAL(krepis_channel_unmap(channels[i]), KREPIS_SUCCESS);
  }
  CHECK_EQUAL(krepis_channel_open(server, NULL, &region), KREPIS_SUCCESS);
  CHECK(krepis_channel_close(region.channel) == 0 && krepis_channel_unmap(region.channel) == 0);
  krepis_quic_stop(server); /* its workers have let go of all channels then */
  CHECK(open_descriptors() < descriptors);
}

static void functions_refuse_a_channel_that_is_none(void) {
  FfiResponse response;
  const uint32_t offset = 0;
  const uint8_t byte = 0;
  CHECK_EQUAL(krepis_channel_arm(kNoHandle), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_CONTAINS(krepis_last_error(), "does not name an open channel");
  CHECK_EQUAL(krepis_channel_arm(0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_wait(kNoHandle, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_release(kNoHandle, &offset, 1), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_flush(kNoHandle), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_info_into(kNoHandle, &response), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_close(kNoHandle), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_unmap(kNoHandle), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_write(kNoHandle, 1, &byte, 1, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_open(kNoHandle, 1, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_reset(kNoHandle, 1, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_stop_sending(kNoHandle, 1, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_priority(kNoHandle, 1, 0, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_info_into(kNoHandle, 1, &response), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_datagram_send(kNoHandle, 1, &byte, 1, 0, 0, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_connection_close(kNoHandle, 1, 0, NULL, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_connection_info_into(kNoHandle, 1, &response), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_quic_stop_begin(kNoHandle, 0), KREPIS_INVALID_POINTER);
}

static void functions_refuse_streams_and_connections_that_are_none(void) {
  FfiResponse response;
  const uint8_t byte = 0;
  set_up();
  /* a connection's handle is no stream's, and the other way round */
  CHECK_EQUAL(krepis_stream_write(channel(), connection, &byte, 1, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_write(channel(), kNoHandle, &byte, 1, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_write(channel(), 0, &byte, 1, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_open(channel(), data.stream, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_reset(channel(), connection, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_stop_sending(channel(), connection, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_priority(channel(), connection, 0, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_info_into(channel(), connection, &response), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_datagram_send(channel(), data.stream, &byte, 1, 0, 0, 0),
              (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_connection_close(channel(), data.stream, 0, NULL, 0), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_connection_info_into(channel(), data.stream, &response), KREPIS_INVALID_POINTER);
  tear_down();
}

static void functions_refuse_each_wrong_value(void) {
  const uint8_t byte = 0;
  const uint64_t too_large = 1ull << 62;
  static const char reason[1025];
  set_up();
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 1, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, &byte, 1, 4), (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, &byte, (1u << 30) + 1, 0),
              (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_open(channel(), connection, 2), (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_reset(channel(), data.stream, too_large), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_stop_sending(channel(), data.stream, too_large), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_priority(channel(), data.stream, 8, 0), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_priority(channel(), data.stream, 0, 2), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_priority(channel(), data.stream, 7, 0), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_stream_info_into(channel(), data.stream, NULL), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, NULL, 1, 0, 0, 0),
              (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, &byte, 0, 0, 0, 0),
              (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, &byte, 70000, 0, 0, 0),
              (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_datagram_send(channel(), connection, &byte, 1, 3, 0, 0),
              (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_connection_close(channel(), connection, too_large, NULL, 0), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_connection_close(channel(), connection, 0, NULL, 1), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_connection_close(channel(), connection, 0, reason, 1025), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_channel_release(channel(), NULL, 1), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_release(channel(), NULL, 0), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_quic_stop_begin(server, 3600001), KREPIS_INVALID_REQUEST);
  tear_down();
}

static void a_stream_has_the_sides_of_its_direction(void) {
  set_up();
  REQUIRE(peer_write(peer, peer_open(peer, 1), 10, 0) == 0);
  const FfiEvent event = consumer_await(&consumer, KREPIS_EVENT_STREAM_DATA);
  CHECK_EQUAL(krepis_stream_write(channel(), event.stream, NULL, 0, 0), (uint64_t)-KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_stream_reset(channel(), event.stream, 0), KREPIS_INVALID_REQUEST);
  const int32_t opened = krepis_stream_open(channel(), connection, 1);
  CHECK_EQUAL(krepis_stream_stop_sending(channel(), (uint32_t)opened, 0), KREPIS_INVALID_REQUEST);
  consumer_release(&consumer, &event);
  tear_down();
}

static void a_fin_ends_the_sending_side(void) {
  set_up();
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 0, KREPIS_WRITE_FIN), 0);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 0, 0), (uint64_t)-KREPIS_INVALID_CONTEXT);
  tear_down();
}

static void release_refuses_what_is_not_out_and_takes_the_rest(void) {
  set_up();
  uint32_t offsets[4] = {data.offset + 64, data.offset + 1, 0xffffffc0u, data.offset};
  CHECK_EQUAL(krepis_channel_release(channel(), offsets, 4), KREPIS_INVALID_REQUEST);
  CHECK_EQUAL(krepis_channel_release(channel(), &data.offset, 1), KREPIS_INVALID_REQUEST); /* twice */
  data.length = 0;
  tear_down();
}

static void a_closed_channel_is_good_for_release_and_unmap_only(void) {
  uint64_t code = 0;
  set_up();
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_INVALID_CONTEXT);
  CHECK_EQUAL(krepis_channel_close(channel()), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_close(channel()), KREPIS_INVALID_POINTER);
  CHECK_EQUAL(peer_wait_closed(peer, &code), 0);
  CHECK_EQUAL(code, KREPIS_CODE_CONSUMER_GONE);
  CHECK_EQUAL(krepis_channel_arm(channel()), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_channel_wait(channel(), 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(krepis_stream_write(channel(), data.stream, NULL, 0, 0), (uint64_t)-KREPIS_INVALID_POINTER);
  CHECK_EQUAL(consumer_bytes(&consumer, &data)[0], peer_pattern(0)); /* still mapped */
  CHECK_EQUAL(krepis_channel_release(channel(), &data.offset, 1), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_SUCCESS);
  CHECK_EQUAL(krepis_channel_unmap(channel()), KREPIS_INVALID_POINTER);
  peer_free(peer);
  krepis_quic_stop_report(server, 0);
}

static void without_a_channel_streams_are_refused(void) {
  server = start_server_json(NULL);
  peer = peer_connect(krepis_quic_port(server));
  const int64_t id = peer_open(peer, 0);
  uint64_t code = 0;
  CHECK_EQUAL(peer_write(peer, id, 10, 0), 0);
  CHECK_EQUAL(peer_wait_reset(peer, id, &code), 0);
  CHECK_EQUAL(code, KREPIS_CODE_NO_CONSUMER);
  CHECK(json_number(text_of(krepis_quic_get_stats(server)), "streams_refused") == 1);
  peer_free(peer);
  krepis_quic_stop_report(server, 0);
}

static int is_readable(int fd) {
  struct pollfd events = {.fd = fd, .events = POLLIN};
  return poll(&events, 1, (int)kPatienceMs) == 1;
}

static void an_armed_channel_writes_one_byte_to_its_socket(void) {
  char bytes[8];
  FfiEvent event;
  uint64_t code = 0;
  server = start_server_json("\"workers\":1");
  consumer_open(&consumer, server, &(FfiChannelConfig){.wake = KREPIS_WAKE_SOCKET});
  const int fd = consumer.region.wake_fd;
  CHECK(fd >= 0);
  CHECK_EQUAL(krepis_channel_arm(channel()), 0);
  peer = peer_connect(krepis_quic_port(server));
  CHECK(is_readable(fd));
  CHECK_EQUAL(krepis_channel_arm(channel()), 1);
  CHECK(consumer_poll(&consumer, &event));
  CHECK_EQUAL(event.type, KREPIS_EVENT_CONNECTION_OPENED);
  CHECK_EQUAL(read(fd, bytes, sizeof bytes), 1);
  CHECK(read(fd, bytes, sizeof bytes) < 0 && errno == EAGAIN);
  CHECK_EQUAL(krepis_channel_arm(channel()), 0);
  close(fd); /* the next byte goes nowhere, and nobody gets a SIGPIPE */
  CHECK_EQUAL(peer_write(peer, peer_open(peer, 0), 10, 0), 0);
  CHECK_EQUAL(peer_wait_closed(peer, &code), 0);
  CHECK_EQUAL(code, KREPIS_CODE_CONSUMER_GONE);
  CHECK_EQUAL(consumer_await(&consumer, KREPIS_EVENT_CHANNEL_CLOSED).code, KREPIS_CONNECTION_FAILED);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
}

static void a_channel_wakes_whoever_connects_to_its_path(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.100s/wake", fixture_folder);
  server = start_server_json("\"workers\":1");
  const FfiChannelConfig config = {.wake = KREPIS_WAKE_PATH, .wake_path = text_buffer(address.sun_path)};
  consumer_open(&consumer, server, &config);
  CHECK(consumer.region.wake_fd == -1);
  check_refused(&config, "cannot bind wake_path");
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQUAL(connect(fd, (const struct sockaddr*)&address, sizeof address), 0);
  CHECK_EQUAL(krepis_channel_arm(channel()), 0);
  peer = peer_connect(krepis_quic_port(server));
  CHECK(is_readable(fd));
  close(fd);
  peer_free(peer);
  consumer_end(&consumer);
  krepis_quic_stop_report(server, 0);
  CHECK(access(address.sun_path, F_OK) != 0);
}

int main(void) {
  fixture_set_up();
  setenv("KNUL_LOG", "off", 1);
  RUN(structs_have_the_documented_layout);
  RUN(open_refuses_each_wrong_parameter);
  RUN(a_server_with_a_service_has_no_channels);
  RUN(a_server_has_64_channels_at_most);
  RUN(functions_refuse_a_channel_that_is_none);
  RUN(functions_refuse_streams_and_connections_that_are_none);
  RUN(functions_refuse_each_wrong_value);
  RUN(a_stream_has_the_sides_of_its_direction);
  RUN(a_fin_ends_the_sending_side);
  RUN(release_refuses_what_is_not_out_and_takes_the_rest);
  RUN(a_closed_channel_is_good_for_release_and_unmap_only);
  RUN(without_a_channel_streams_are_refused);
  RUN(an_armed_channel_writes_one_byte_to_its_socket);
  RUN(a_channel_wakes_whoever_connects_to_its_path);
  return check_summary();
}
