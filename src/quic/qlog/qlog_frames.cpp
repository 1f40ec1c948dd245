#include "quic/qlog/qlog_frames.hpp"

#include <algorithm>
#include <array>

#include "quic/wire/frame_bytes.hpp"
#include "quic/wire/frame_types.hpp"

namespace knul::quic {
namespace {

constexpr auto kTransportErrors = std::to_array<std::string_view>(
    {"no_error", "internal_error", "connection_refused", "flow_control_error", "stream_limit_error",
     "stream_state_error", "final_size_error", "frame_encoding_error", "transport_parameter_error",
     "connection_id_limit_error", "protocol_violation", "invalid_token", "application_error",
     "crypto_buffer_exceeded"});

// The frames of one packet. A function per kind of frame reads the body and appends its members.
class FrameList {
 public:
  FrameList(QlogJson& json, std::span<const std::uint8_t> payload, std::uint8_t ack_delay_exponent)
      : json_(json), bytes_(payload), exponent_(ack_delay_exponent) {}

  bool append() {
    for (unsigned count = 0; !bytes_.is_empty(); ++count) {
      if (count == kMostQlogFrames || bytes_.has_failed()) {
        return false;
      }
      json_.begin('{');
      append_frame(bytes_.varint());
      json_.end('}');
    }
    return is_complete_ && !bytes_.has_failed();
  }

 private:
  QlogJson& type(std::string_view name) { return json_.text("frame_type", name); }
  FrameList& number(std::string_view name) {
    json_.number(name, bytes_.varint());
    return *this;
  }
  // Bytes that end beyond the packet make the list incomplete.
  std::span<const std::uint8_t> take(std::uint64_t count) {
    is_complete_ = is_complete_ && count <= bytes_.left();
    return bytes_.take(count);
  }

  void append_frame(std::uint64_t type_code) {
    if (frame::is_stream(type_code)) {
      return append_stream(type_code);
    }
    switch (type_code) {
      case frame::kPadding:
        return append_padding();
      case frame::kPing:
        type("ping");
        return;
      case frame::kAck:
      case frame::kAckEcn:
        return append_ack(type_code == frame::kAckEcn);
      case frame::kCrypto:
        return append_crypto();
      case frame::kNewToken:
        return append_new_token();
      case frame::kNewConnectionId:
        return append_new_connection_id();
      case frame::kConnectionClose:
      case frame::kApplicationClose:
        return append_close(type_code == frame::kConnectionClose);
      case frame::kDatagram:
      case frame::kDatagramWithLength:
        return append_datagram(type_code == frame::kDatagramWithLength);
      default:
        return append_small(type_code);
    }
  }

  // Frames of integers only, and frames with bytes that are not shown.
  void append_small(std::uint64_t type_code) {
    switch (type_code) {
      case frame::kResetStream:
        type("reset_stream");
        number("stream_id").number("error_code").number("final_size");
        return;
      case frame::kStopSending:
        type("stop_sending");
        number("stream_id").number("error_code");
        return;
      case frame::kMaxData:
        type("max_data");
        number("maximum");
        return;
      case frame::kMaxStreamData:
        type("max_stream_data");
        number("stream_id").number("maximum");
        return;
      case frame::kMaxStreamsBidi:
      case frame::kMaxStreamsUni:
        return append_streams("max_streams", "maximum", type_code == frame::kMaxStreamsBidi);
      case frame::kDataBlocked:
        type("data_blocked");
        number("limit");
        return;
      case frame::kStreamDataBlocked:
        type("stream_data_blocked");
        number("stream_id").number("limit");
        return;
      case frame::kStreamsBlockedBidi:
      case frame::kStreamsBlockedUni:
        return append_streams("streams_blocked", "limit", type_code == frame::kStreamsBlockedBidi);
      case frame::kRetireConnectionId:
        type("retire_connection_id");
        number("sequence_number");
        return;
      case frame::kPathChallenge:
      case frame::kPathResponse:
        type(type_code == frame::kPathChallenge ? "path_challenge" : "path_response");
        take(8);
        return;
      case frame::kHandshakeDone:
        type("handshake_done");
        return;
      default:
        return append_unknown(type_code);
    }
  }

  void append_padding() {
    const std::size_t before = bytes_.left() + 1;
    bytes_.skip_zeros();
    const std::size_t length = before - bytes_.left();
    type("padding").number("length", length).number("payload_length", length);
  }

  void append_stream(std::uint64_t type_code) {
    type("stream");
    number("stream_id");
    json_.number("offset", (type_code & frame::kStreamHasOffset) != 0 ? bytes_.varint() : 0);
    const std::uint64_t length = (type_code & frame::kStreamHasLength) != 0 ? bytes_.varint() : bytes_.left();
    json_.number("length", length);
    if ((type_code & frame::kStreamHasFin) != 0) {
      json_.boolean("fin", true);
    }
    take(length);
  }

  void append_ack(bool has_ecn) {
    constexpr std::uint64_t kLongestDelayUs = std::uint64_t{1} << 40;
    const std::uint64_t largest = bytes_.varint();
    const std::uint64_t delay = std::min(bytes_.varint(), kLongestDelayUs >> exponent_) << exponent_;
    const std::uint64_t ranges = bytes_.varint();
    type("ack").milliseconds("ack_delay", std::chrono::microseconds(delay));
    json_.begin("acked_ranges", '[');
    append_ranges(largest, ranges);
    json_.end(']');
    if (has_ecn) {
      number("ect0").number("ect1").number("ce");
    }
  }

  void append_ranges(std::uint64_t largest, std::uint64_t ranges) {
    std::uint64_t length = bytes_.varint();
    for (std::uint64_t i = 0;; ++i) {
      if (length > largest || bytes_.has_failed()) {
        is_complete_ = false;
        return bytes_.end();
      }
      if (i < kMostQlogAckRanges) {
        append_range(largest - length, largest);
      }
      if (i == ranges) {
        is_complete_ = is_complete_ && ranges < kMostQlogAckRanges;
        return;
      }
      const std::uint64_t gap = bytes_.varint() + 2;
      is_complete_ = is_complete_ && largest - length >= gap;
      largest = largest - length >= gap ? largest - length - gap : 0;
      length = bytes_.varint();
    }
  }

  void append_range(std::uint64_t first, std::uint64_t last) {
    json_.begin('[').item(first);
    if (first != last) {
      json_.item(last);
    }
    json_.end(']');
  }

  void append_crypto() {
    type("crypto");
    number("offset");
    const std::uint64_t length = bytes_.varint();
    json_.number("length", length);
    take(length);
  }

  void append_new_token() {
    const std::uint64_t length = bytes_.varint();
    type("new_token").begin("token", '{').number("length", length).end('}');
    take(length);
  }

  void append_new_connection_id() {
    constexpr std::size_t kLongestId = 20;
    constexpr std::uint64_t kResetTokenBytes = 16;
    type("new_connection_id");
    number("sequence_number").number("retire_prior_to");
    const std::uint64_t length = bytes_.varint();
    const auto id = take(length);
    is_complete_ = is_complete_ && length <= kLongestId;
    json_.number("connection_id_length", length)
        .hex("connection_id", id.first(std::min(id.size(), kLongestId)));
    take(kResetTokenBytes);
  }

  void append_close(bool is_transport) {
    const std::uint64_t code = bytes_.varint();
    type("connection_close").text("error_space", is_transport ? "transport" : "application");
    if (const std::string_view name = transport_error_name(code); is_transport && !name.empty()) {
      json_.text("error_code", name);
    } else {
      json_.number("error_code", code);
    }
    json_.number("raw_error_code", code);
    if (is_transport) {
      number("trigger_frame_type");
    }
    const auto reason = take(bytes_.varint());
    json_.foreign("reason", {reinterpret_cast<const char*>(reason.data()), reason.size()});
  }

  void append_datagram(bool has_length) {
    const std::uint64_t length = has_length ? bytes_.varint() : bytes_.left();
    type("datagram").number("length", length);
    take(length);
  }

  void append_streams(std::string_view name, std::string_view limit, bool is_bidirectional) {
    type(name).text("stream_type", is_bidirectional ? "bidirectional" : "unidirectional");
    number(limit);
  }

  // Its end is unknown.
  void append_unknown(std::uint64_t type_code) {
    type("unknown").number("raw_frame_type", type_code);
    is_complete_ = false;
    bytes_.end();
  }

  QlogJson& json_;
  FrameBytes bytes_;
  const std::uint8_t exponent_;
  bool is_complete_ = true;
};

}  // namespace

bool append_frames(QlogJson& json, std::span<const std::uint8_t> payload, std::uint8_t ack_delay_exponent) {
  return FrameList(json, payload, ack_delay_exponent).append();
}

std::string_view transport_error_name(std::uint64_t code) {
  if (code < kTransportErrors.size()) {
    return kTransportErrors[code];
  }
  return "";
}

}  // namespace knul::quic
