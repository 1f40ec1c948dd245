// Copies of the cells: for one worker, summed over all workers, and for a server.
#pragma once

#include <cstdint>
#include <string_view>

#include "stats/histogram.hpp"

namespace knul::stats {

struct WorkerCounters;

// Has the cells of WorkerCounters, field by field. The fields are read one after another while the worker
// counts on, so two of them may be from different moments.
struct Snapshot {
#define KNUL_COUNTER(member, unit, family, help) std::uint64_t member = 0;
#define KNUL_GAUGE(member, unit, family, help) std::uint64_t member = 0;
#define KNUL_COUNTER_BY(family, key, value, help) std::uint64_t family##_##value = 0;
#define KNUL_HISTOGRAM(member, family, help) HistogramSnapshot member;
#include "stats/statistics.def"

  // Adds the present values of a worker. Thread: any. Never waits.
  Snapshot& operator+=(const WorkerCounters& worker);
};

// All statistics of a server: the sums over its workers, and its own values, which the server sets. Flags are
// 0 or 1.
struct ServerSnapshot {
  Snapshot totals;
#define KNUL_SERVER_VALUE(member, unit, family, help) std::uint64_t member = 0;
#define KNUL_SERVER_TEXT(member, help) \
  std::string_view member; /* Lifetime: as the source of the snapshot states */
#include "stats/statistics.def"
};

}  // namespace knul::stats
