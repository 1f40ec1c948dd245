// The statistics as text for a scrape.
#pragma once

#include <cstdint>
#include <string>

namespace knul::stats {

struct ServerSnapshot;

enum class MetricsFormat : std::uint8_t {
  kOpenMetrics,  // application/openmetrics-text; version=1.0.0; charset=utf-8
  kPrometheus,   // text/plain; version=0.0.4; charset=utf-8
};

// Appends to `out`. Thread: any.
void render_metrics(MetricsFormat format, const ServerSnapshot& server, std::string& out);

}  // namespace knul::stats
