#include "stats/snapshot.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "stats/catalogue.hpp"
#include "stats/worker_counters.hpp"

namespace knul::stats {
namespace {

constexpr std::uintptr_t kCacheLine = 64;

// Visits all cells of a worker in the order of the list.
template <class Visit>
void for_each_cell(WorkerCounters& worker, Visit visit) {
#define KNUL_COUNTER(member, unit, family, help) visit(worker.member);
#define KNUL_GAUGE(member, unit, family, help) visit(worker.member);
#define KNUL_COUNTER_BY(family, key, value, help) visit(worker.family##_##value);
#include "stats/statistics.def"
}

TEST(WorkerCounters, ShareNoCacheLineWithTheNextWorker) {
  const std::vector<WorkerCounters> workers(2);
  const auto last_byte = reinterpret_cast<std::uintptr_t>(&workers[0]) + sizeof(WorkerCounters) - 1;
  const auto first_byte = reinterpret_cast<std::uintptr_t>(&workers[1]);
  EXPECT_EQ(first_byte % kCacheLine, 0u);
  EXPECT_NE(last_byte / kCacheLine, first_byte / kCacheLine);
}

TEST(Snapshot, HoldsEachCellUnderItsOwnName) {
  WorkerCounters worker;
  std::uint64_t next = 1;
  for_each_cell(worker, [&](auto& cell) { cell.add(next++); });
  worker.request_latency.record(std::chrono::milliseconds(5));

  Snapshot snapshot;
  snapshot += worker;

  std::uint64_t expected = 1;
  for (const auto& entry : kTotals) {
    EXPECT_EQ(snapshot.*entry.value, expected++) << entry.key;
  }
  EXPECT_EQ(snapshot.request_latency.count(), 1u);
}

TEST(Snapshot, AddsUpWorkers) {
  std::vector<WorkerCounters> workers(3);
  Snapshot total;
  for (WorkerCounters& worker : workers) {
    std::uint64_t next = 1;
    for_each_cell(worker, [&](auto& cell) { cell.add(next++); });
    worker.request_latency.record(std::chrono::milliseconds(5));
    total += worker;
  }
  std::uint64_t expected = 3;
  for (const auto& entry : kTotals) {
    EXPECT_EQ(total.*entry.value, expected) << entry.key;
    expected += 3;
  }
  EXPECT_EQ(total.request_latency.count(), 3u);
  EXPECT_EQ(total.request_latency.sum_nanoseconds(), 15'000'000u);
}

// Under ThreadSanitizer this also proves that reading needs no lock.
TEST(Snapshot, TakenWhileWorkersCountNeverGoesBackAndEndsExact) {
  constexpr std::uint64_t kRounds = 50'000;
  std::vector<WorkerCounters> workers(2);
  std::atomic<int> running{2};
  std::vector<std::thread> threads;
  for (WorkerCounters& worker : workers) {
    threads.emplace_back([&worker, &running] {
      for (std::uint64_t i = 0; i < kRounds; ++i) {
        worker.packets_received.add();
        worker.send_buffer_bytes.set(i);
        worker.request_latency.record(std::chrono::microseconds(i));
      }
      running.fetch_sub(1);
    });
  }
  std::uint64_t seen = 0;
  while (running.load() > 0) {
    Snapshot total;
    total += workers[0];
    total += workers[1];
    ASSERT_GE(total.packets_received, seen);
    ASSERT_LE(total.request_latency.count(), 2 * kRounds);
    seen = total.packets_received;
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  Snapshot total;
  total += workers[0];
  total += workers[1];
  EXPECT_EQ(total.packets_received, 2 * kRounds);
  EXPECT_EQ(total.request_latency.count(), 2 * kRounds);
}

}  // namespace
}  // namespace knul::stats
