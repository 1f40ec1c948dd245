#include "server/connection_row.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.hpp"
#include "server/session.hpp"

namespace knul::server {
namespace {

constexpr std::array<const char*, quic::kSendLimits> kLimitNames = {
    "application",   "congestion_window", "pacing",      "connection_window",
    "stream_window", "stream_limit",      "send_memory", "socket",
    "worker",
};

// In the words of `verdict`: what an operator can change, or who can.
constexpr std::array<std::string_view, quic::kSendLimits> kVerdicts = {
    "the program had nothing to send",
    "the network path: the congestion window was full",
    "the network path: pacing spread the packets",
    "the peer: it gave no credit for the connection (MAX_DATA)",
    "the peer: it gave no credit for the streams with data (MAX_STREAM_DATA)",
    "the peer: it allowed no further stream (MAX_STREAMS)",
    "this server: the send buffers were full of data in flight (stream_send_buffer_bytes, "
    "connection_send_buffer_bytes, server_send_buffer_bytes)",
    "this machine: the send buffer of the socket was full (socket_send_buffer_bytes)",
    "this server: the worker had other work (workers)",
};

class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  void end() { out_ += '}'; }

  void number(std::string_view name, std::uint64_t value) {
    key(name);
    out_ += std::to_string(value);
  }
  void microseconds(std::string_view name, base::Duration value) {
    number(name, static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0)) / 1'000);
  }
  void milliseconds(std::string_view name, base::Duration value) {
    number(name, static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0)) / 1'000'000);
  }
  // With three decimals.
  void decimal(std::string_view name, double value) {
    const auto thousandths = static_cast<std::uint64_t>(std::llround(value * 1e3));
    const std::string fraction = std::to_string(1'000 + thousandths % 1'000);
    key(name);
    out_ += std::to_string(thousandths / 1'000) + '.' + fraction.substr(1);
  }
  // A peer chooses its server name; invalid UTF-8 in it is replaced and is not an error.
  void text(std::string_view name, std::string_view value) {
    key(name);
    out_ += nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  void flag(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void key(std::string_view name) {
    out_ += std::exchange(is_first_, false) ? "\"" : ",\"";
    out_.append(name).append("\":");
  }

 private:
  std::string& out_;
  bool is_first_ = true;
};

void append_shares(const quic::SendLimitTimes::Shares& shares, std::string& out) {
  Object object(out);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    object.decimal(kLimitNames[i], shares[i]);
  }
  object.end();
}

std::string verdict(const quic::SendLimitTimes::Shares& shares) {
  const auto longest = static_cast<std::size_t>(std::ranges::max_element(shares) - shares.begin());
  return std::string(kVerdicts[longest]) + ", " + std::to_string(std::lround(shares[longest] * 100)) +
         " % of the time";
}

void append_transport(const quic::TransportState& transport, Object& object) {
  object.microseconds("smoothed_rtt_us", transport.smoothed_rtt);
  object.microseconds("min_rtt_us", transport.min_rtt);
  object.microseconds("latest_rtt_us", transport.latest_rtt);
  object.microseconds("rtt_variation_us", transport.rtt_variation);
  object.number("congestion_window_bytes", transport.congestion_window_bytes);
  object.number("bytes_in_flight", transport.in_flight_bytes);
}

void append_counts(const quic::ConnectionStatistics& statistics, Object& object) {
  const quic::ConnectionCounts& counts = statistics.counts;
  object.number("bytes_received", statistics.bytes_received);
  object.number("bytes_sent", statistics.bytes_sent);
  object.number("packets_received", counts.packets_received);
  object.number("packets_sent", counts.packets_sent);
  object.number("packets_lost", statistics.packets_lost);
  object.number("stream_bytes_resent", counts.stream_bytes_resent);
  object.number("probe_timeouts", counts.probe_timeouts);
  object.number("datagrams_acknowledged", counts.datagrams_acknowledged);
  object.number("datagrams_lost", counts.datagrams_lost);
  object.number("datagrams_dropped_policy", counts.datagrams_dropped_policy);
  object.number("datagrams_dropped_expired", counts.datagrams_dropped_expired);
  object.number("datagrams_dropped_size", counts.datagrams_dropped_size);
  object.number("migrations", counts.migrations);
  object.number("key_updates", counts.key_updates);
  object.number("hibernations", counts.hibernations);
}

}  // namespace

const char* limit_name(quic::SendLimit limit) { return kLimitNames[static_cast<std::size_t>(limit)]; }

const char* state_name(const quic::Connection& connection) {
  if (!connection.is_handshake_completed()) {
    return "handshaking";
  }
  return connection.is_hibernating() ? "hibernating" : "active";
}

ConnectionRow make_row(quic::Connection& connection, const Session* session, base::Instant now) {
  ConnectionRow row;
  row.id = connection.number();
  row.peer = connection.path().remote.to_string();
  row.alpn = connection.alpn();
  row.server_name = connection.server_name();
  row.state = state_name(connection);
  row.is_resumed = connection.is_resumed();
  row.cipher = connection.algorithms().cipher_name();
  row.group = connection.algorithms().group_name();
  if (auto peer = connection.is_server() ? connection.peer_certificate() : std::nullopt) {
    row.certificate_subject = std::move(peer->subject);
    row.certificate_sha256 = base::hexadecimal(peer->sha256);
  }
  if (const stats::LatencySketch* latency = session == nullptr ? nullptr : session->request_latency()) {
    row.requests = latency->count();
    row.request_p50_ms = latency->quantile_ms(0.50);
    row.request_p90_ms = latency->quantile_ms(0.90);
    row.request_p99_ms = latency->quantile_ms(0.99);
    row.request_max_ms = latency->max_ms();
  }
  row.statistics = connection.statistics(now);
  return row;
}

void append_json(const ConnectionRow& row, std::string& out) {
  const quic::ConnectionStatistics& statistics = row.statistics;
  Object object(out);
  object.number("id", row.id);
  object.number("worker", row.worker);
  object.text("peer", row.peer);
  object.text("alpn", row.alpn);
  object.text("server_name", row.server_name);
  object.text("state", row.state);
  object.flag("handshake_completed", std::string_view(row.state) != "handshaking");
  object.flag("resumed", row.is_resumed);
  object.text("cipher", row.cipher);
  object.text("group", row.group);
  object.text("certificate_subject", row.certificate_subject);
  object.text("certificate_sha256", row.certificate_sha256);
  object.milliseconds("age_ms", statistics.age);
  object.milliseconds("idle_ms", statistics.idle);
  object.microseconds("handshake_us", statistics.handshake_time);
  append_transport(statistics.transport, object);
  append_counts(statistics, object);
  object.number("streams_active", statistics.streams_active);
  object.number("requests", row.requests);
  object.decimal("request_p50_ms", row.request_p50_ms);
  object.decimal("request_p90_ms", row.request_p90_ms);
  object.decimal("request_p99_ms", row.request_p99_ms);
  object.decimal("request_max_ms", row.request_max_ms);
  object.number("memory_bytes", statistics.memory_bytes);
  object.text("limited_by", limit_name(statistics.limit));
  object.key("limited_shares");
  append_shares(statistics.limit_shares, out);
  object.text("verdict", verdict(statistics.limit_shares));
  object.end();
}

}  // namespace knul::server
