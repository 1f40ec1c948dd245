// The statistics and the list of connections of a server.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "posix/clock.hpp"
#include "quic/crypto/library_versions.hpp"
#include "server/connection_sweep.hpp"
#include "server/engine_options.hpp"
#include "server/error_codes.hpp"
#include "server/log_sink.hpp"
#include "server/server_impl.hpp"
#include "stats/json.hpp"
#include "stats/openmetrics.hpp"

namespace krepis {
namespace {

using namespace knul;

// Made once, so that reading statistics allocates nothing.
const std::string& all_libraries() {
  static const std::string list = quic::library_versions(quic::library_list()) + ", nlohmann-json " +
                                  std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." +
                                  std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." +
                                  std::to_string(NLOHMANN_JSON_VERSION_PATCH);
  return list;
}

}  // namespace

std::uint64_t QuicServer::Impl::uptime_ms() const {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(posix::monotonic_now() - started_at_).count());
}

Statistics QuicServer::Impl::statistics() const {
  stats::Snapshot totals;
  for (const auto& worker : workers_) {
    totals += worker->counters();
  }
  Statistics result;
  result.total_requests = totals.requests_started;
  result.active_connections = totals.connections_active;
  result.total_bytes_in = totals.udp_bytes_received;
  result.total_bytes_out = totals.udp_bytes_sent;
  result.avg_latency_ms = totals.request_latency.mean_ms();
  result.error_count = totals.errors;
  result.uptime_ms = uptime_ms();
  return result;
}

std::shared_ptr<const void> QuicServer::Impl::fill(stats::ServerSnapshot& snapshot) const {
  snapshot.totals = {};
  for (const auto& worker : workers_) {
    snapshot.totals += worker->counters();
  }
  // Any thread may call this: the sockets belong to this object and their sizes never change.
  udp::UdpSocket& socket = const_cast<udp::SocketGroup&>(sockets_).send_socket(0);
  if (memory_) {
    const ApplicationMemory memory = memory_();
    snapshot.channels_open = memory.channels;
    snapshot.channel_queued_bytes = memory.queued_bytes;
    snapshot.channel_parked_bytes = memory.parked_bytes;
    snapshot.channel_region_bytes = memory.region_bytes;
    snapshot.channel_arena_used_bytes = memory.arena_used_bytes;
    snapshot.channel_events_waiting = memory.events_waiting;
    snapshot.channel_mail_bytes = memory.mail_bytes;
    snapshot.channel_spare_bytes = memory.spare_bytes;
    snapshot.totals.datagrams_dropped += memory.datagrams_dropped;
  }
  snapshot.uptime_ms = uptime_ms();
  snapshot.draining = is_running() ? 0 : 1;
  snapshot.workers = workers_.size();
  snapshot.key_log = key_log_ != nullptr ? 1 : 0;
  snapshot.qlog = qlog_ != nullptr ? 1 : 0;
  const server::QlogFigures qlog = qlog_ != nullptr ? qlog_->figures() : server::QlogFigures{};
  snapshot.qlog_files = qlog.files;
  snapshot.qlog_files_failed = qlog.files_failed;
  snapshot.qlog_bytes = qlog.bytes;
  snapshot.qlog_events_dropped = qlog.events_dropped;
  snapshot.socket_receive_buffer_asked_bytes = socket.receive_buffer().asked_bytes;
  snapshot.socket_receive_buffer_bytes = socket.receive_buffer().got_bytes;
  snapshot.socket_receive_buffer_limit_bytes = socket.receive_buffer().limit_bytes;
  snapshot.socket_send_buffer_asked_bytes = socket.send_buffer().asked_bytes;
  snapshot.socket_send_buffer_bytes = socket.send_buffer().got_bytes;
  snapshot.socket_send_buffer_limit_bytes = socket.send_buffer().limit_bytes;
  snapshot.gso_enabled = socket.features().gso ? 1 : 0;
  snapshot.gro_enabled = socket.features().gro ? 1 : 0;
  snapshot.ecn_enabled = socket.features().ecn ? 1 : 0;
  const server::LogLosses losses = server::process_log_losses();
  snapshot.log_messages_limited = losses.limited;
  snapshot.log_messages_dropped = losses.dropped;
  snapshot.steering = sockets_.is_steered() ? "bpf" : "single_socket";
  snapshot.packet_protection = server::protection_library(options_) == nullptr ? "gnutls" : "ipsec_mb";
  snapshot.tls_library = quic::tls_library_version();
  snapshot.quic_library = quic::quic_library_version();
  snapshot.libraries = all_libraries();
  snapshot.version = version();
  return certificates_->fill(snapshot);
}

Result<void> QuicServer::Impl::list_connections(std::string& out, std::size_t limit) const {
  server::ConnectionQuery query;
  query.limit = limit;
  auto page = server::query_connections(workers_, query);
  if (!page) {
    return std::move(page).error();
  }
  server::append_json(page->rows, out);
  return {};
}

Result<void> QuicServer::Impl::query_connections(std::string& out, std::string_view text) const {
  auto query = server::parse_connection_query(text);
  if (!query) {
    return server::to_public(std::move(query).error());
  }
  auto page = server::query_connections(workers_, *query);
  if (!page) {
    return std::move(page).error();
  }
  server::append_json(*page, out);
  return {};
}

void QuicServer::Impl::append_stats(std::string& out) {
  stats::ServerSnapshot snapshot;
  const auto texts = fill(snapshot);
  stats::render_json(snapshot, out);
}

void QuicServer::Impl::append_metrics(admin::MetricsFormat format, std::string& out) {
  stats::ServerSnapshot snapshot;
  const auto texts = fill(snapshot);
  const bool is_open = format == admin::MetricsFormat::kOpenMetrics;
  stats::render_metrics(is_open ? stats::MetricsFormat::kOpenMetrics : stats::MetricsFormat::kPrometheus,
                        snapshot, out);
}

base::Status QuicServer::Impl::append_connections(std::string_view query, std::string& out) {
  Result<void> written = query_connections(out, query);
  return written ? base::Status{}
                 : base::Status{base::Error{base::ErrorKind::kInvalidArgument, written.error().message}};
}

}  // namespace krepis
