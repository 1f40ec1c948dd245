// Measures the text of krepis_quic_get_stats: this writer against nlohmann-json with a prebuilt object whose
// values are updated in place. The budget is 3 µs for the whole list.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "stats/catalogue.hpp"
#include "stats/json.hpp"
#include "stats/openmetrics.hpp"
#include "stats/worker_counters.hpp"

namespace {

using namespace knul::stats;

ServerSnapshot busy_server() {
  ServerSnapshot server;
  std::uint64_t value = 1;
  for (const auto& entry : kTotals)
    server.totals.*entry.value = value = value * 31 % 10'000'000'019;
  for (const auto& entry : kServerValues)
    server.*entry.value = value = value * 31 % 10'000'019;
  for (const auto& entry : kServerTexts)
    server.*entry.value = "GnuTLS 3.7.9";
  LatencyHistogram latency;
  for (int i = 1; i < 10'000; ++i)
    latency.record(std::chrono::microseconds(i));
  latency.add_to(server.totals.request_latency);
  return server;
}

// Argument 1: every value has many digits. Argument 0: a server that has just started.
void render_json_text(benchmark::State& state) {
  const ServerSnapshot server = state.range(0) == 1 ? busy_server() : ServerSnapshot();
  std::string out;
  for (auto _ : state) {
    out.clear();
    render_json(server, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(render_json_text)->Arg(0)->Arg(1);

// In nlohmann-json's favour: only the counters, no strings, quantiles or contract fields.
void nlohmann_update_and_dump(benchmark::State& state) {
  const ServerSnapshot server = busy_server();
  nlohmann::ordered_json document;
  for (const auto& entry : kTotals)
    document[std::string(entry.key)] = std::uint64_t{0};
  std::vector<std::uint64_t*> values;
  for (auto& item : document)
    values.push_back(item.get_ptr<std::uint64_t*>());
  std::string out;
  for (auto _ : state) {
    for (std::size_t i = 0; i < values.size(); ++i)
      *values[i] = server.totals.*kTotals[i].value;
    out = document.dump();
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(nlohmann_update_and_dump);

void sum_of_eight_workers(benchmark::State& state) {
  std::vector<WorkerCounters> workers(8);
  for (auto _ : state) {
    Snapshot total;
    for (const auto& worker : workers)
      total += worker;
    benchmark::DoNotOptimize(total);
  }
}
BENCHMARK(sum_of_eight_workers);

void render_openmetrics_text(benchmark::State& state) {
  const ServerSnapshot server = busy_server();
  std::string out;
  for (auto _ : state) {
    out.clear();
    render_metrics(MetricsFormat::kOpenMetrics, server, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(render_openmetrics_text);

}  // namespace
