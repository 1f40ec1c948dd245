// Frames and parameters that RFC 9000 and 9001 forbid: each connection ends with the exact code, and only it.
#include "attack.hpp"

namespace knul::attack {
namespace {

// What to do to a fresh connection, and the code that it must end with. More than one code where the RFCs
// leave a choice.
struct Case {
  std::string name, words;
  std::vector<std::uint64_t> codes;
  Level level = Level::kOneRtt;
  Bytes frames{};
  std::uint8_t header_change = 0;
  RawOptions options{};
};

Bytes raw(std::initializer_list<std::uint8_t> bytes) { return bytes; }

// RFC 8446 §4: type, length of three bytes, body.
Bytes tls_message(std::uint8_t type, std::size_t body_bytes = 1) {
  Bytes out{type, 0, 0, static_cast<std::uint8_t>(body_bytes)};
  out.resize(out.size() + body_bytes);
  return out;
}

Bytes hello(const Bytes& text = bytes_of("hello")) { return text; }

std::vector<Case> stream_cases() {
  using namespace frame;
  const Bytes beyond_final_size = concat({stream(0, 0, hello(), true), stream(0, 5, hello())});
  return {
      {"stream_beyond_window",
       "STREAM 0 at offset 100,000,000",
       {0x3},
       Level::kOneRtt,
       stream(0, 100'000'000, hello())},
      {"stream_beyond_limit",
       "STREAM 1,000,000,000",
       {0x4},
       Level::kOneRtt,
       stream(1'000'000'000, 0, hello())},
      {"uni_stream_beyond_limit",
       "STREAM 1,000,000,002",
       {0x4},
       Level::kOneRtt,
       stream(1'000'000'002, 0, hello())},
      {"stop_sending_unopened",
       "STOP_SENDING of a stream of the server that is not open",
       {0x5},
       Level::kOneRtt,
       stop_sending(101)},
      {"max_stream_data_unopened",
       "MAX_STREAM_DATA of a stream of the server that is not open",
       {0x5},
       Level::kOneRtt,
       max_stream_data(101, 1)},
      {"stream_of_server",
       "STREAM 1, which the server did not open",
       {0x5},
       Level::kOneRtt,
       stream(1, 0, hello())},
      {"send_only_stream_of_server",
       "STREAM 3, on which only the server may send",
       {0x5},
       Level::kOneRtt,
       stream(3, 0, hello())},
      {"max_stream_data_receive_only",
       "MAX_STREAM_DATA 2, on which only the client sends",
       {0x5},
       Level::kOneRtt,
       max_stream_data(2, 1)},
      {"stop_sending_receive_only",
       "STOP_SENDING 2, on which only the client sends",
       {0x5},
       Level::kOneRtt,
       stop_sending(2)},
      {"reset_stream_send_only",
       "RESET_STREAM 3, on which only the server may send",
       {0x5, 0xa},
       Level::kOneRtt,
       reset_stream(3)},
      {"data_beyond_final_size", "data beyond the final size", {0x6}, Level::kOneRtt, beyond_final_size},
      {"final_size_changes",
       "RESET_STREAM with another final size than FIN",
       {0x6},
       Level::kOneRtt,
       concat({stream(0, 0, hello(), true), reset_stream(0, 4)})},
  };
}

std::vector<Case> encoding_cases() {
  using namespace frame;
  constexpr std::uint64_t kTooManyStreams = (std::uint64_t{1} << 60) + 1;
  return {
      {"unknown_frame", "frame type 0x20", {0x7}, Level::kOneRtt, raw({0x20, 0, 0, 0})},
      {"truncated_type",
       "a truncated frame type",
       {0x7},
       Level::kOneRtt,
       concat({ping(), ping(), ping(), raw({0x40})})},
      {"max_streams_too_many", "MAX_STREAMS 2^60 + 1", {0x7}, Level::kOneRtt, max_streams(kTooManyStreams)},
      {"streams_blocked_too_many",
       "STREAMS_BLOCKED 2^60 + 1",
       {0x7},
       Level::kOneRtt,
       streams_blocked(kTooManyStreams)},
      {"retire_prior_to_above",
       "NEW_CONNECTION_ID that retires more than its own sequence",
       {0x7},
       Level::kOneRtt,
       new_connection_id(1, 2)},
      {"connection_id_empty",
       "NEW_CONNECTION_ID of 0 bytes",
       {0x7},
       Level::kOneRtt,
       new_connection_id(1, 0, 0)},
      {"connection_id_long",
       "NEW_CONNECTION_ID of 21 bytes",
       {0x7},
       Level::kOneRtt,
       new_connection_id(1, 0, 21)},
      {"ack_negative", "ACK with a range below 0", {0x7}, Level::kOneRtt, make({2, 1, 0, 0, 5})},
      {"stream_truncated", "truncated STREAM", {0x7}, Level::kOneRtt, make({0x0e, 0, 0, 50}, hello())},
      {"new_token_empty", "NEW_TOKEN from a client", {0x7, 0xa}, Level::kOneRtt, new_token({})},
  };
}

std::vector<Case> protocol_cases() {
  using namespace frame;
  const Bytes token = random_bytes(16);
  return {
      {"no_frames", "a 1-RTT packet without frames", {0xa}, Level::kOneRtt, {}},
      {"reserved_bits_short", "reserved bits of a short header", {0xa}, Level::kOneRtt, ping(), 0x18},
      {"reserved_bits_long", "reserved bits of a Handshake packet", {0xa}, Level::kHandshake, ping(), 0x0c},
      {"challenge_in_handshake",
       "PATH_CHALLENGE in a Handshake packet",
       {0xa},
       Level::kHandshake,
       path_challenge(1)},
      {"stream_in_handshake",
       "STREAM in a Handshake packet",
       {0xa},
       Level::kHandshake,
       stream(0, 0, hello())},
      {"new_token_from_client", "NEW_TOKEN from a client", {0xa}, Level::kOneRtt, new_token(token)},
      {"handshake_done_from_client", "HANDSHAKE_DONE from a client", {0xa}, Level::kOneRtt, handshake_done()},
      {"retire_unseen",
       "RETIRE_CONNECTION_ID of an unissued sequence number",
       {0xa},
       Level::kOneRtt,
       retire_connection_id(1'000)},
      {"ack_of_unsent", "ACK of an unsent packet", {0xa}, Level::kOneRtt, ack(1'000'000)},
      {"crypto_gap",
       "CRYPTO at offset 1,000,000 of a Handshake packet",
       {0xd},
       Level::kHandshake,
       crypto(1'000'000, hello())},
      {"datagram_too_big", "truncated DATAGRAM", {0x7}, Level::kOneRtt, make({0x31, 100}, hello())},
  };
}

std::vector<Case> tls_cases() {
  using namespace frame;
  std::vector<Case> cases;
  const std::vector<std::pair<std::string, std::uint8_t>> messages{{"key_update", 24},
                                                                   {"end_of_early_data", 5},
                                                                   {"new_session_ticket", 4},
                                                                   {"client_hello", 1},
                                                                   {"unknown", 99}};
  for (const auto& [name, type] : messages) {
    for (const Level level : {Level::kHandshake, Level::kOneRtt}) {
      const std::string where = level == Level::kOneRtt ? "1-RTT" : "Handshake";
      cases.push_back({name + "_" + (level == Level::kOneRtt ? "one_rtt" : "handshake"),
                       "TLS message of type " + std::to_string(type) + " in a packet of " + where,
                       {0x10a},
                       level,
                       crypto(0, tls_message(type))});
    }
  }
  // Nothing is missing before it, but no client sends anything there: no reason to wait for what is.
  cases.push_back({"crypto_one_rtt_gap",
                   "CRYPTO of 1-RTT at offset 1",
                   {0x10a},
                   Level::kOneRtt,
                   crypto(1, tls_message(4))});
  cases.push_back({"crypto_one_rtt_far",
                   "CRYPTO of 1-RTT at offset 1,000",
                   {0x10a},
                   Level::kOneRtt,
                   crypto(1'000, tls_message(4))});
  Case alpn{"alpn_foreign", "an ALPN that the server does not support", {0x178}};
  alpn.options.alpn = "foreign";
  cases.push_back(alpn);
  alpn.name = "alpn_missing";
  alpn.words = "no ALPN extension";
  alpn.options.alpn.clear();
  cases.push_back(alpn);
  Case parameters{"parameters_missing", "no transport parameters", {0x16d, 0x150}};
  parameters.options.has_parameters = false;
  cases.push_back(parameters);
  return cases;
}

std::vector<Case> parameter_cases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, const std::string& words, Parameters parameters) {
    Case made{"parameter_" + name, words, {0x8}};
    made.options.parameters = std::move(parameters);
    cases.push_back(std::move(made));
  };
  const Bytes id(8, 1);
  Bytes preferred(4 + 2 + 16 + 2, 1);
  preferred.push_back(8);
  preferred.resize(preferred.size() + 8 + 16);
  add("original_id", "original_destination_connection_id from a client", {{0x00, id}});
  add("reset_token", "stateless_reset_token from a client", {{0x02, Bytes(16)}});
  add("preferred_address", "preferred_address from a client", {{0x0d, preferred}});
  add("retry_id", "retry_source_connection_id from a client", {{0x10, id}});
  add("payload_small", "max_udp_payload_size 1,090", {{0x03, varint(1'090)}});
  add("ack_exponent", "ack_delay_exponent 30", {{0x0a, varint(30)}});
  add("max_ack_delay", "max_ack_delay 2^15", {{0x0b, varint(1U << 15)}});
  add("id_limit", "active_connection_id_limit 1", {{0x0e, varint(1)}});
  add("empty_value", "initial_max_data without a value", {{0x04, {}}});
  add("truncated_value", "truncated initial_max_data", {{0x04, {0x80, 0}}});
  add("wrong_source_id", "initial_source_connection_id that differs from the packet's", {{0x0f, id}});
  add("max_streams", "initial_max_streams_bidi 2^60 + 1", {{0x08, varint((std::uint64_t{1} << 60) + 1)}});
  Case missing{"parameter_source_id_missing", "no initial_source_connection_id", {0x8}};
  missing.options.left_out = {0x0f};
  cases.push_back(missing);
  return cases;
}

std::optional<RawConnection::Close> carry_out(Attack& attack, const Case& test) {
  RawOptions options = test.options;
  const bool breaks_handshake = test.frames.empty() && test.name != "no_frames";
  options.sends_finished = test.level == Level::kOneRtt;
  RawConnection client(attack.target.address(), options);
  const bool is_ready = client.shake_hands();
  if (breaks_handshake) {
    return client.wait_close();
  }
  if (!is_ready) {
    throw std::runtime_error("no handshake");
  }
  client.send_datagram(client.make(test.level, test.frames, test.header_change));
  if (test.level != Level::kOneRtt) {
    client.wait([&] { return client.closed.has_value(); }, 5s);
    return client.closed;
  }
  return client.wait_close();
}

void run_case(Attack& attack, const Case& test) {
  const auto close = carry_out(attack, test);
  std::string expected;
  bool is_one = false;
  for (const std::uint64_t code : test.codes) {
    expected += (expected.empty() ? "" : " or ") + hex(code);
    is_one = is_one || (close && !close->is_application && close->code == code);
  }
  attack.checks.push_back({"close", expected, to_text(close), is_one});
}

}  // namespace

void add_conformance_rows(std::vector<Row>& rows) {
  for (auto* const cases : {&stream_cases, &encoding_cases, &protocol_cases, &tls_cases, &parameter_cases}) {
    for (const Case& test : cases()) {
      Row row{"conformance", test.name, test.words, {}, [test](Attack& attack) { run_case(attack, test); }};
      row.has_oracle = false;
      rows.push_back(row);
    }
  }
}

}  // namespace knul::attack
