// The statistics and the list of connections of a server.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "posix/clock.hpp"
#include "quic/crypto/library_versions.hpp"
#include "server/engine_options.hpp"
#include "server/log_sink.hpp"
#include "server/server_impl.hpp"

namespace krepis {
namespace {

using namespace knul;

void append_text(const char* name, const std::string& value, std::string& out) {
  // A peer chooses its server name; invalid UTF-8 in it is replaced and is not an error.
  out += std::string(",\"") + name +
         "\":" + nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_number(const char* name, std::uint64_t value, std::string& out) {
  out += std::string(",\"") + name + "\":" + std::to_string(value);
}

std::uint64_t microseconds(std::chrono::nanoseconds duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) / 1'000;
}

// Without nlohmann-json, because the destructor of a JSON object allocates, which would end a process without
// memory.
void append_row(const server::ConnectionRow& row, std::size_t worker, std::string& out) {
  out += "{\"id\":" + std::to_string(row.id);
  append_number("worker", worker, out);
  append_text("peer", row.peer, out);
  append_text("alpn", row.alpn, out);
  append_text("server_name", row.server_name, out);
  out += row.is_handshake_completed ? ",\"handshake_completed\":true" : ",\"handshake_completed\":false";
  append_number("smoothed_rtt_us", microseconds(row.info.smoothed_rtt), out);
  append_number("min_rtt_us", microseconds(row.info.min_rtt), out);
  append_number("congestion_window_bytes", row.info.congestion_window_bytes, out);
  append_number("bytes_in_flight", row.info.bytes_in_flight, out);
  append_number("bytes_received", row.info.bytes_received, out);
  append_number("bytes_sent", row.info.bytes_sent, out);
  append_number("streams_active", row.info.streams_active, out);
  out += '}';
}

// Made once, so that reading statistics allocates nothing.
const std::string& all_libraries() {
  static const std::string list =
      quic::library_versions() + ", nlohmann-json " + std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." +
      std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." + std::to_string(NLOHMANN_JSON_VERSION_PATCH);
  return list;
}

// Shared with the workers' tasks, because a task may run after the wait for it has timed out.
struct Gathering {
  explicit Gathering(std::size_t workers) : rows(workers), done(workers) {}
  std::vector<std::vector<server::ConnectionRow>> rows;  // each element is written by its worker alone
  runtime::CompletionLatch done;
};

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

void QuicServer::Impl::fill(stats::ServerSnapshot& snapshot) const {
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
  snapshot.certificate_not_after = static_cast<std::uint64_t>(tls_->certificate_not_after());
  snapshot.certificate_expired = tls_->certificate_not_after() < std::time(nullptr) ? 1 : 0;
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
}

Result<void> QuicServer::Impl::list_connections(std::string& out, std::size_t limit) const {
  auto gathering = std::make_shared<Gathering>(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const bool is_posted =
        workers_[i]->post_to_core([gathering, i, limit](server::WorkerCore& core, base::Instant) {
          gathering->rows[i] = core.list_connections(limit);
          gathering->done.count_down();
        });
    if (!is_posted) {
      gathering->done.count_down();  // a stopping worker reports no connections
    }
  }
  if (!gathering->done.wait_until(posix::monotonic_now() + std::chrono::seconds(1))) {
    return Error{ErrorCode::kTimeout, "connections: a worker did not answer within one second"};
  }
  std::size_t listed = 0;
  out += '[';
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    for (const server::ConnectionRow& row : gathering->rows[i]) {
      if (listed < limit) {
        out += listed++ > 0 ? "," : "";
        append_row(row, i, out);
      }
    }
  }
  out += ']';
  return {};
}

}  // namespace krepis
