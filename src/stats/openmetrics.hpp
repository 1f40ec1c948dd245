// The statistics as OpenMetrics 1.0 text, media type
// application/openmetrics-text; version=1.0.0; charset=utf-8.
#pragma once

#include <string>

namespace knul::stats {

struct ServerSnapshot;

// Appends to `out`. Thread: any.
void render_openmetrics(const ServerSnapshot& server, std::string& out);

}  // namespace knul::stats
