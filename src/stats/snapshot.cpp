#include "stats/snapshot.hpp"

#include "stats/worker_counters.hpp"

namespace knul::stats {

Snapshot& Snapshot::operator+=(const WorkerCounters& worker) {
#define KNUL_COUNTER(member, unit, family, help) member += worker.member.load();
#define KNUL_GAUGE(member, unit, family, help) member += worker.member.load();
#define KNUL_COUNTER_BY(family, key, value, help) family##_##value += worker.family##_##value.load();
#define KNUL_HISTOGRAM(member, family, help) worker.member.add_to(member);
#include "stats/statistics.def"
  return *this;
}

}  // namespace knul::stats
