// The cells of one worker, a member for each line of statistics.def.
#pragma once

#include "base/probes.hpp"
#include "stats/counter.hpp"
#include "stats/histogram.hpp"

namespace knul::stats {

// Thread: only its worker writes; any thread may read, see snapshot.hpp. Aligned and padded to cache lines,
// so that one worker's increments do not slow another's.
// Lifetime: outlives the worker and every snapshot being taken. Never moves.
struct alignas(64) WorkerCounters {
#define KNUL_COUNTER(member, unit, family, help) Counter member;
#define KNUL_GAUGE(member, unit, family, help) Gauge member;
#define KNUL_COUNTER_BY(family, key, value, help) Counter family##_##value;
#define KNUL_HISTOGRAM(member, family, help) LatencyHistogram member;
#include "stats/statistics.def"
};

static_assert(alignof(WorkerCounters) == 64 && sizeof(WorkerCounters) % 64 == 0);

}  // namespace knul::stats

// Counts a dropped packet, and shows it to the probe packet__dropped. `reason`: the last part of a counter
// packets_dropped_*.
#define KNUL_DROP_PACKET(counters, reason)                          \
  do {                                                              \
    (counters).packets_dropped_##reason.add();                      \
    KNUL_PROBE(packet__dropped, static_cast<const char*>(#reason)); \
  } while (false)
