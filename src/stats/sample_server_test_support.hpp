// For tests: a snapshot with a different value in every entry of the list.
#pragma once

#include "stats/catalogue.hpp"
#include "stats/worker_counters.hpp"

namespace knul::stats {

// Values count up from 1000 in the order of the list; each text is its key.
inline ServerSnapshot make_sample_server() {
  ServerSnapshot server;
  std::uint64_t next = 1000;
  for (const auto& entry : kTotals) {
    server.totals.*entry.value = next++;
  }
  for (const auto& entry : kServerValues) {
    server.*entry.value = next++;
  }
  for (const auto& entry : kServerTexts) {
    server.*entry.value = entry.key;  // static, as a server's texts are
  }
  return server;
}

inline void record_latency(ServerSnapshot& server, base::Duration latency, int times = 1) {
  LatencyHistogram histogram;
  for (int i = 0; i < times; ++i) {
    histogram.record(latency);
  }
  histogram.add_to(server.totals.request_latency);
}

}  // namespace knul::stats
