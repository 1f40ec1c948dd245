#include "server/worker_core.hpp"

#include <gtest/gtest.h>

#include "server/core_pair_test_support.hpp"

namespace knul::server {
namespace {

using krepis::Fin;
using krepis::LibraryCode;
using namespace std::chrono_literals;

TEST(WorkerCore, CountsARequestFromItsFirstByteToItsLast) {
  CorePair pair;
  pair.shake_hands();
  pair.server_record.on_data = [&](krepis::Stream& stream, Fin) {
    pair.server_record.worker->call_after(250ms,
                                          [&stream] { stream.write(quic::bytes_of("answer"), Fin::kYes); });
  };
  pair.send_request("question");
  pair.advance(1s);
  EXPECT_EQ(pair.server_counters.requests_started.load(), 1U);
  EXPECT_EQ(pair.server_counters.requests_completed.load(), 1U);
  EXPECT_EQ(pair.server_counters.requests_failed.load(), 0U);
  stats::HistogramSnapshot latency{};
  pair.server_counters.request_latency.add_to(latency);
  EXPECT_NEAR(latency.mean_ms(), 250, 5);
}

TEST(WorkerCore, CountsARequestAsCancelledWhenItsClientClosesTheConnection) {
  CorePair pair;
  pair.shake_hands();
  pair.send_request("question");
  pair.advance(100ms);
  pair.client_record.connection->close(5, "bored");
  pair.advance(100ms);
  EXPECT_EQ(pair.server_counters.requests_cancelled.load(), 1U);
  EXPECT_EQ(pair.server_counters.requests_failed.load(), 0U);
  EXPECT_EQ(pair.server_counters.errors.load(), 0U);
  EXPECT_EQ(pair.server_counters.connections_closed_peer_application.load(), 1U);
}

TEST(WorkerCore, RefusesStreamsWhereNobodyListens) {
  CorePair pair(CorePair::ServerProgram::kNone);
  pair.shake_hands();
  pair.send_request("question", Fin::kNo);
  pair.advance(1s);
  constexpr auto kCode = static_cast<std::uint64_t>(LibraryCode::kNoConsumer);
  EXPECT_EQ(pair.client_record.resets, std::vector<std::uint64_t>{kCode});
  EXPECT_EQ(pair.client_record.stops, std::vector<std::uint64_t>{kCode});
  EXPECT_EQ(pair.server_counters.streams_refused.load(), 1U);
  EXPECT_EQ(pair.server_counters.streams_active.load(), 0U);
}

// A task posted after an idle hour must get the present time.
TEST(WorkerCore, GivesAPostedTaskTheTimeOfItsTurn) {
  CorePair pair;
  krepis::Worker& worker = *pair.server_record.worker;
  base::Instant called_at{};
  ASSERT_TRUE(worker.post([&] { worker.call_after(1s, [&] { called_at = base::Instant(worker.now()); }); }));
  pair.now += 1h;
  pair.server->run_posted(pair.posted.at(0), pair.now);
  const base::Instant posted_at = pair.now;
  EXPECT_EQ(base::Instant(worker.now()), posted_at);
  pair.advance(2s);
  EXPECT_EQ(called_at, posted_at + 1s);
}

TEST(WorkerCore, RunsOneTurnOfATaskThatAlwaysAsksForAnother) {
  CorePair pair;
  int calls = 0;
  const std::function<void()> again = [&] {
    if (++calls < 1'000) {
      pair.server_record.worker->call_after(0ms, again);
    }
  };
  again();
  pair.server->handle_expiry(pair.now);
  EXPECT_EQ(calls, 2);
}

TEST(WorkerCore, CountsWhatATaskThrows) {
  CorePair pair;
  pair.server_record.worker->call_after(1ms, [] { throw 1; });
  bool is_next_called = false;
  pair.server_record.worker->call_after(1ms, [&] { is_next_called = true; });
  pair.advance(1s);
  EXPECT_TRUE(is_next_called);
  EXPECT_EQ(pair.server_counters.application_exceptions.load(), 1U);
}

TEST(WorkerCore, ListsItsConnections) {
  CorePair pair;
  pair.shake_hands();
  pair.shake_hands();
  const std::vector<ConnectionRow> rows = pair.server->list_connections({});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].alpn, "knul");
  EXPECT_EQ(rows[0].peer, "127.0.0.1:40000");
  EXPECT_STREQ(rows[0].state, "hibernating");  // it was never used
  EXPECT_EQ(pair.server->list_connections({.limit = 1}).size(), 1U);
}

}  // namespace
}  // namespace knul::server
