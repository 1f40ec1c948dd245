// For tests: a snapshot in which every entry of the list has a value of its own.
#pragma once

#include "stats/catalogue.hpp"
#include "stats/worker_counters.hpp"

namespace knul::stats {

// Values count up from 1000 in the order of the list; texts are their keys.
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
    server.*entry.value = entry.key;  // as lasting as the texts of a server
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
