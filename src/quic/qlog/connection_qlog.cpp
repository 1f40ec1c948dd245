#include "quic/qlog/connection_qlog.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "quic/crypto/protection_library.hpp"
#include "quic/qlog/qlog_frames.hpp"

namespace knul::quic {
namespace {

constexpr char kRecordSeparator = '\x1e';  // RFC 7464 §2.2

std::array<std::uint8_t, 4> bytes_of(std::uint32_t version) {
  return {static_cast<std::uint8_t>(version >> 24), static_cast<std::uint8_t>(version >> 16),
          static_cast<std::uint8_t>(version >> 8), static_cast<std::uint8_t>(version)};
}

std::span<const std::uint8_t> bytes_of(const ngtcp2_cid& id) { return {id.data, id.datalen}; }

std::uint64_t whole_milliseconds(ngtcp2_duration duration) { return duration / NGTCP2_MILLISECONDS; }

void append_transport_code(QlogJson& json, std::uint64_t code) {
  if (const std::string_view name = transport_error_name(code); !name.empty()) {
    json.text("connection_code", name);
  } else {
    json.number("connection_code", code);
  }
}

void append_raw(QlogJson& json, std::size_t header_bytes, std::size_t payload_bytes) {
  json.begin("raw", '{')
      .number("length", header_bytes + payload_bytes + kAeadTagBytes)
      .number("payload_length", payload_bytes)
      .end('}');
}

void append_frame_list(QlogJson& json, std::span<const std::uint8_t> payload,
                       std::uint8_t ack_delay_exponent) {
  json.begin("frames", '[');
  const bool is_complete = append_frames(json, payload, ack_delay_exponent);
  json.end(']');
  if (!is_complete) {
    json.boolean("knul_frames_missing", true);
  }
}

void append_header(QlogJson& json, const PacketHeader& header, std::uint64_t number) {
  json.begin("header", '{').text("packet_type", header.type).number("packet_number", number);
  json.number("flags", header.flags);
  if (header.is_long) {
    if (header.space == NumberSpace::kInitial && header.token_bytes > 0) {
      json.begin("token", '{').number("length", header.token_bytes).end('}');
    }
    json.number("length", header.length).hex("version", bytes_of(header.version));
    json.number("scil", header.scid.size()).number("dcil", header.dcid.size());
    json.hex("scid", header.scid).hex("dcid", header.dcid);
  }
  json.end('}');
}

void append_path(QlogJson& json, const base::Path& path) {
  json.text("ip_version", path.local.is_v4() ? "v4" : "v6");
  json.text("src_ip", path.local.ip_to_string()).number("src_port", path.local.port());
  json.text("dst_ip", path.remote.ip_to_string()).number("dst_port", path.remote.port());
}

void append_limits(QlogJson& json, const ngtcp2_transport_params& params) {
  json.number("max_idle_timeout", whole_milliseconds(params.max_idle_timeout))
      .number("max_udp_payload_size", params.max_udp_payload_size)
      .number("ack_delay_exponent", params.ack_delay_exponent)
      .number("max_ack_delay", whole_milliseconds(params.max_ack_delay))
      .number("active_connection_id_limit", params.active_connection_id_limit)
      .number("initial_max_data", params.initial_max_data)
      .number("initial_max_stream_data_bidi_local", params.initial_max_stream_data_bidi_local)
      .number("initial_max_stream_data_bidi_remote", params.initial_max_stream_data_bidi_remote)
      .number("initial_max_stream_data_uni", params.initial_max_stream_data_uni)
      .number("initial_max_streams_bidi", params.initial_max_streams_bidi)
      .number("initial_max_streams_uni", params.initial_max_streams_uni)
      .number("max_datagram_frame_size", params.max_datagram_frame_size)
      .boolean("disable_active_migration", params.disable_active_migration != 0)
      .boolean("grease_quic_bit", params.grease_quic_bit != 0);
}

std::size_t index_of(const PacketHeader& header) { return static_cast<std::size_t>(header.space); }

}  // namespace

QlogJson ConnectionQlog::begin(std::string_view name, base::Instant now) {
  now_ = now;
  record_.assign(1, kRecordSeparator);
  QlogJson json(record_);
  json.begin('{').milliseconds("time", now - started_at_).text("name", name).begin("data", '{');
  return json;
}

void ConnectionQlog::finish() {
  record_ += "}}\n";
  if (dropped_ > 0) {
    const std::string event = std::exchange(record_, {});
    make_notice(std::to_string(dropped_) + " events are missing here: they were written too slowly");
    if (!write()) {
      return;
    }
    dropped_ = 0;
    record_ = event;
  }
  write();
}

bool ConnectionQlog::write() {
  if (file_ == nullptr) {
    return false;
  }
  const base::QlogOutcome outcome = file_->write(record_);
  if (outcome == base::QlogOutcome::kDropped) {
    ++dropped_;
  } else if (outcome == base::QlogOutcome::kFull) {
    end_file();
  }
  return outcome == base::QlogOutcome::kAccepted;
}

void ConnectionQlog::end_file() {
  const std::unique_ptr<base::QlogFile> file = std::move(file_);
  sent_packets_ = {};
  make_notice("the file has reached its largest size; later events are missing");
  file->write_last(record_);
}

void ConnectionQlog::make_notice(std::string_view message) {
  begin("loglevel:warning", now_).text("message", message);
  record_ += "}}\n";
}

void ConnectionQlog::note_start(const QlogStart& start, const base::Path& path) noexcept {
  attempt([&] {
    record_.assign(1, kRecordSeparator);
    QlogJson json(record_);
    json.begin('{').text("qlog_version", "0.3").text("qlog_format", "JSON-SEQ").text("title", "Krepis KNUL");
    json.begin("trace", '{').begin("vantage_point", '{').text("type", "server").end('}');
    json.begin("common_fields", '{').hex("ODCID", start.original_dcid).hex("group_id", start.original_dcid);
    json.text("time_format", "relative").number("reference_time", start.unix_ms);
    record_ += ",\"protocol_type\":[\"QUIC\"]}}}\n";
    if (!write()) {
      file_.reset();  // without its header the file would be of no use
      return;
    }
    QlogJson started = begin("connectivity:connection_started", started_at_);
    append_path(started, path);
    started.text("protocol", "QUIC").hex("src_cid", start.scid).hex("dst_cid", start.dcid);
    finish();
    set_state("attempted", started_at_);
  });
}

void ConnectionQlog::set_state(std::string_view state, base::Instant now) {
  QlogJson json = begin("connectivity:connection_state_updated", now);
  if (!state_.empty()) {
    json.text("old", state_);
  }
  json.text("new", state);
  state_ = state;
  finish();
}

void ConnectionQlog::note_parameters(Owner owner, const ngtcp2_transport_params& params,
                                     base::Instant now) noexcept {
  attempt([&] {
    const auto exponent = static_cast<std::uint8_t>(params.ack_delay_exponent);  // at most 20, by the library
    (owner == Owner::kLocal ? ack_delay_exponent_ : peer_ack_delay_exponent_) = exponent;
    has_remote_parameters_ = has_remote_parameters_ || owner == Owner::kRemote;
    QlogJson json = begin("transport:parameters_set", now);
    json.text("owner", owner == Owner::kLocal ? "local" : "remote");
    if (params.original_dcid_present != 0) {
      json.hex("original_destination_connection_id", bytes_of(params.original_dcid));
    }
    if (params.initial_scid_present != 0) {
      json.hex("initial_source_connection_id", bytes_of(params.initial_scid));
    }
    if (params.retry_scid_present != 0) {
      json.hex("retry_source_connection_id", bytes_of(params.retry_scid));
    }
    append_limits(json, params);
    finish();
  });
}

void ConnectionQlog::note_handshake_completed(const QlogHandshake& handshake, base::Instant now) noexcept {
  attempt([&] {
    begin("transport:parameters_set", now)
        .text("owner", "local")
        .text("tls_cipher", handshake.cipher)
        .boolean("resumption_allowed", handshake.is_resumed);
    finish();
    begin("transport:alpn_information", now).foreign("chosen_alpn", handshake.alpn);
    finish();
    set_state("handshake_complete", now);
    set_state("handshake_confirmed", now);
  });
}

void ConnectionQlog::note_path(const base::Path& path, base::Instant now) noexcept {
  attempt([&] {
    QlogJson json = begin("connectivity:path_updated", now);
    append_path(json, path);
    finish();
  });
}

void ConnectionQlog::begin_datagram(std::span<const std::uint8_t> datagram) noexcept {
  datagram_ = datagram;
  ++datagrams_received_;
}

std::uint64_t ConnectionQlog::take_number(Numbers& next, const PacketHeader& header) {
  std::uint64_t& expected = next[index_of(header)];
  const std::uint64_t number = whole_number(header, expected);
  expected = std::max(expected, number + 1);
  return number;
}

bool ConnectionQlog::is_in_datagram(std::span<const std::uint8_t> bytes) const {
  const std::less_equal<> is_ordered;
  return is_ordered(datagram_.data(), bytes.data()) &&
         is_ordered(bytes.data() + bytes.size(), datagram_.data() + datagram_.size());
}

void ConnectionQlog::note_received(const ReceivedPacket& packet, std::span<const std::uint8_t> payload,
                                   base::Instant now) noexcept {
  attempt([&] {
    const PacketHeader header = read_header(packet.header);
    const std::uint64_t number = take_number(next_received_, header);
    // A packet of the earlier keys may arrive late.
    if (number + 1 == next_received_[index_of(header)]) {
      note_key_phase(received_phase_, sent_phase_, "client_1rtt_secret", header, now);
    }
    QlogJson json = begin("transport:packet_received", now);
    append_header(json, header, number);
    append_raw(json, packet.header.size(), payload.size());
    if (is_in_datagram(packet.ciphertext)) {
      json.number("datagram_id", datagrams_received_);
      if (packet.header.size() + packet.ciphertext.size() < datagram_.size()) {
        json.boolean("is_coalesced", true);
      }
    } else {
      json.text("trigger", "keys_available");
    }
    append_frame_list(json, payload, exponent_of(header, peer_ack_delay_exponent_));
    finish();
  });
}

void ConnectionQlog::note_undecryptable(const ReceivedPacket& packet, base::Instant now) noexcept {
  attempt([&] {
    QlogJson json = begin("transport:packet_dropped", now);
    json.begin("header", '{').text("packet_type", read_header(packet.header).type).end('}');
    json.begin("raw", '{').number("length", packet.header.size() + packet.ciphertext.size()).end('}');
    if (is_in_datagram(packet.ciphertext)) {
      json.number("datagram_id", datagrams_received_);
    }
    json.text("trigger", "payload_decrypt_error");
    finish();
  });
}

void ConnectionQlog::note_dropped_early(std::size_t bytes, base::Instant now) noexcept {
  attempt([&] {
    begin("transport:packet_dropped", now)
        .begin("raw", '{')
        .number("length", bytes)
        .end('}')
        .text("trigger", "key_unavailable");
    finish();
  });
}

void ConnectionQlog::note_encrypted(std::span<const std::uint8_t> header_bytes,
                                    std::span<const std::uint8_t> payload) noexcept {
  attempt([&] {
    SentPacket packet{.header = read_header(header_bytes)};
    QlogJson json(packet.data);
    append_header(json, packet.header, take_number(next_sent_, packet.header));
    append_raw(json, header_bytes.size(), payload.size());
    append_frame_list(json, payload, exponent_of(packet.header, ack_delay_exponent_));
    packet.header.dcid = packet.header.scid = {};
    sent_packets_.push_back(std::move(packet));
  });
}

void ConnectionQlog::end_datagram(std::size_t bytes, base::Instant now,
                                  std::size_t removed_packets) noexcept {
  attempt([&] {
    const std::vector<SentPacket> packets = std::exchange(sent_packets_, {});
    if (bytes == 0) {
      return;
    }
    ++datagrams_sent_;
    const auto sent = std::span(packets).subspan(std::min(removed_packets, packets.size()));
    for (const SentPacket& packet : sent) {
      write_sent(packet, sent.size() > 1, now);
    }
  });
}

void ConnectionQlog::write_sent(const SentPacket& packet, bool is_coalesced, base::Instant now) {
  note_key_phase(sent_phase_, received_phase_, "server_1rtt_secret", packet.header, now);
  if (packet.header.space == NumberSpace::kHandshake && state_ == "attempted") {
    set_state("handshake_started", now);
  }
  QlogJson json = begin("transport:packet_sent", now);
  record_ += packet.data;
  json.number("datagram_id", datagrams_sent_);
  if (is_coalesced) {
    json.boolean("is_coalesced", true);
  }
  finish();
}

// RFC 9001 §6: the side that changes its keys first begins the update.
void ConnectionQlog::note_key_phase(KeyPhase& own, const KeyPhase& other, std::string_view key_type,
                                    const PacketHeader& header, base::Instant now) {
  constexpr std::uint8_t kKeyPhase = 0x04;
  const bool is_set = (header.flags & kKeyPhase) != 0;
  if (header.is_long || is_set == own.is_set) {
    return;
  }
  own.is_set = is_set;
  ++own.generation;
  const bool is_first = own.generation > other.generation;
  const bool is_remote = (&own == &received_phase_) == is_first;
  // The schema requires "new", the key, which no file may hold.
  begin("security:key_updated", now)
      .text("key_type", key_type)
      .text("new", "")
      .number("generation", own.generation)
      .text("trigger", is_remote ? "remote_update" : "local_update");
  finish();
}

std::uint8_t ConnectionQlog::exponent_of(const PacketHeader& header, std::uint8_t negotiated) {
  constexpr std::uint8_t kDefault = 3;  // RFC 9000 §18.2: the parameter is for 1-RTT packets
  return header.space == NumberSpace::kApplication ? negotiated : kDefault;
}

void ConnectionQlog::note_metrics(const QlogMetrics& metrics, base::Instant now) noexcept {
  attempt([&] {
    if (metrics == metrics_) {
      return;
    }
    QlogJson json = begin("recovery:metrics_updated", now);
    const auto time = [&](std::string_view name, base::Duration QlogMetrics::*value) {
      if (metrics.*value != metrics_.*value) {
        json.milliseconds(name, metrics.*value);
      }
    };
    const auto number = [&](std::string_view name, std::uint64_t QlogMetrics::*value) {
      if (metrics.*value != metrics_.*value) {
        json.number(name, metrics.*value);
      }
    };
    time("min_rtt", &QlogMetrics::min_rtt);
    time("smoothed_rtt", &QlogMetrics::smoothed_rtt);
    time("latest_rtt", &QlogMetrics::latest_rtt);
    time("rtt_variance", &QlogMetrics::rtt_variation);
    number("congestion_window", &QlogMetrics::congestion_window_bytes);
    number("bytes_in_flight", &QlogMetrics::in_flight_bytes);
    number("ssthresh", &QlogMetrics::slow_start_threshold_bytes);
    metrics_ = metrics;
    finish();
  });
}

void ConnectionQlog::note_closed(const QlogClose& close, base::Instant now) noexcept {
  attempt([&] {
    QlogJson json = begin("connectivity:connection_closed", now);
    json.text("owner", close.owner);
    if (close.kind == QlogClose::Code::kApplication) {
      json.number("application_code", close.code);
    } else if (close.kind == QlogClose::Code::kTransport) {
      append_transport_code(json, close.code);
    }
    if (!close.reason.empty()) {
      json.foreign("reason", close.reason);
    }
    json.text("trigger", close.trigger);
    finish();
    set_state(close.state, now);
  });
}

}  // namespace knul::quic
