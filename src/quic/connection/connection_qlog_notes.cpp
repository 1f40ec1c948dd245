// What a connection writes to its qlog.
#include "quic/connection/connection.hpp"

namespace knul::quic {
namespace {

using Source = CloseCause::Source;
using Code = QlogClose::Code;

QlogClose close_of(const CloseCause& cause) {
  switch (cause.source) {
    case Source::kPeerApplication:
      return {"remote", "application", "draining", Code::kApplication};
    case Source::kPeerTransport:
      return {"remote", cause.code == 0 ? "clean" : "error", "draining", Code::kTransport};
    case Source::kLocalApplication:
      return {"local", "application", "closing", Code::kApplication};
    case Source::kLocalTransport:
      return {"local", cause.code == 0 ? "clean" : "error", "closing", Code::kTransport};
    case Source::kIdleTimeout:
      return {"local", "idle_timeout", "closed"};
    case Source::kHandshakeTimeout:
      return {"local", "handshake_timeout", "closed"};
    case Source::kStatelessReset:
      return {"remote", "stateless_reset", "closed"};
    case Source::kNoProgress:
      return {"local", "error", "closing", Code::kApplication};
    case Source::kEvicted:
      return {"local", "error", "closed"};
  }
  return {"local", "error", "closed"};
}

}  // namespace

// Without memory for it the connection goes on without a qlog.
void Connection::open_qlog(const AcceptedInitial& initial) noexcept {
  try {
    const ngtcp2_transport_params& local = *ngtcp2_conn_get_local_transport_params(library_.native());
    const std::span<const std::uint8_t> original(local.original_dcid.data, local.original_dcid.datalen);
    std::unique_ptr<base::QlogFile> file = environment_.qlog->open(path_.remote, original);
    if (file == nullptr) {
      return;
    }
    qlog_ = std::make_unique<ConnectionQlog>(std::move(file), library_.now());
    qlog_->note_start({.original_dcid = original,
                       .scid = routes_.front().bytes(),
                       .dcid = {initial.header.scid.data, initial.header.scid.datalen},
                       .unix_ms = environment_.qlog->unix_ms()},
                      path_);
    if (!qlog_->is_open()) {
      return qlog_.reset();
    }
    qlog_->note_parameters(ConnectionQlog::Owner::kLocal, local, library_.now());
  } catch (...) {
    qlog_.reset();
  }
}

void Connection::note_read_in_qlog() {
  if (!qlog_->has_remote_parameters()) {
    if (const ngtcp2_transport_params* const params = library_.peer_parameters()) {
      qlog_->note_parameters(ConnectionQlog::Owner::kRemote, *params, library_.now());
    }
  }
  note_metrics_in_qlog();
  if (!qlog_->is_open()) {
    qlog_.reset();
  }
}

// Before the first sample the library's round trip is an assumption, which is no measurement to show.
void Connection::note_metrics_in_qlog() {
  const TransportState state = library_.transport_state();
  QlogMetrics metrics{.congestion_window_bytes = state.congestion_window_bytes,
                      .in_flight_bytes = state.in_flight_bytes,
                      .slow_start_threshold_bytes = state.slow_start_threshold_bytes};
  if (state.min_rtt > base::Duration{0}) {
    metrics.min_rtt = state.min_rtt;
    metrics.smoothed_rtt = state.smoothed_rtt;
    metrics.latest_rtt = state.latest_rtt;
    metrics.rtt_variation = state.rtt_variation;
  }
  qlog_->note_metrics(metrics, library_.now());
}

void Connection::note_closed_in_qlog() {
  if (qlog_ == nullptr) {
    return;
  }
  QlogClose close = close_of(ending_.cause());
  close.code = ending_.cause().code;
  close.reason = ending_.cause().reason;
  qlog_->note_closed(close, library_.now());
}

}  // namespace knul::quic
