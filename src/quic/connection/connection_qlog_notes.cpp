#include "quic/connection/connection_qlog_notes.hpp"

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

std::unique_ptr<ConnectionQlog> open_qlog(base::QlogFiles& files, const LibraryConnection& library,
                                          const base::Path& path, const QlogIds& ids) noexcept {
  try {
    const ngtcp2_transport_params& local = *ngtcp2_conn_get_local_transport_params(library.native());
    const std::span<const std::uint8_t> original(local.original_dcid.data, local.original_dcid.datalen);
    std::unique_ptr<base::QlogFile> file = files.open(path.remote, original);
    if (file == nullptr) {
      return nullptr;
    }
    auto qlog = std::make_unique<ConnectionQlog>(std::move(file), library.now());
    qlog->note_start(
        {.original_dcid = original, .scid = ids.local, .dcid = ids.remote, .unix_ms = files.unix_ms()}, path);
    qlog->note_parameters(ConnectionQlog::Owner::kLocal, local, library.now());
    return qlog;
  } catch (...) {
    return nullptr;
  }
}

void note_read(ConnectionQlog& qlog, const LibraryConnection& library) {
  if (!qlog.has_remote_parameters()) {
    if (const ngtcp2_transport_params* const params = library.peer_parameters()) {
      qlog.note_parameters(ConnectionQlog::Owner::kRemote, *params, library.now());
    }
  }
  note_metrics(qlog, library);
}

// Before the first sample the library's round trip is an assumption, which is no measurement to show.
void note_metrics(ConnectionQlog& qlog, const LibraryConnection& library) {
  const TransportState state = library.transport_state();
  QlogMetrics metrics{.congestion_window_bytes = state.congestion_window_bytes,
                      .in_flight_bytes = state.in_flight_bytes,
                      .slow_start_threshold_bytes = state.slow_start_threshold_bytes};
  if (state.min_rtt > base::Duration{0}) {
    metrics.min_rtt = state.min_rtt;
    metrics.smoothed_rtt = state.smoothed_rtt;
    metrics.latest_rtt = state.latest_rtt;
    metrics.rtt_variation = state.rtt_variation;
  }
  qlog.note_metrics(metrics, library.now());
}

void note_closed(ConnectionQlog& qlog, const CloseCause& cause, base::Instant now) {
  QlogClose close = close_of(cause);
  close.code = cause.code;
  close.reason = cause.reason;
  qlog.note_closed(close, now);
}

}  // namespace knul::quic
