// Measures a server's time for a handshake without sockets, from the client's Initial to the end of the
// connection. Both endpoints run in this process; only the server's calls are timed.
#include <benchmark/benchmark.h>

#include <chrono>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

class TimedPair {
 public:
  explicit TimedPair(bool resumes)
      : pair_([resumes](EndpointOptions&, EndpointOptions& client) { client.resumes_sessions = resumes; }) {}

  // Connects, completes the handshake on both sides, closes. Returns the server's time.
  double shake_hands() {
    server_time_ = {};
    pair_.connect();
    run();
    for (Connection* connection : pair_.client_observer.connections)
      connection->close(0, {});
    run();
    pair_.server_observer.closed.clear();
    pair_.client_observer.closed.clear();
    return std::chrono::duration<double>(server_time_).count();
  }
  [[nodiscard]] std::uint64_t completed() const { return pair_.server_counters.handshakes_completed.load(); }

 private:
  using Clock = std::chrono::steady_clock;

  template <class Call>
  void timed(const Endpoint& endpoint, Call call) {
    const Clock::time_point begun = Clock::now();
    call();
    if (&endpoint == pair_.server.get()) {
      server_time_ += Clock::now() - begun;
    }
  }

  // Runs until both sides are idle for some time.
  void run() {
    for (base::Instant end = pair_.now; pair_.now <= end;) {
      while (pair_.client->wants_send() || pair_.server->wants_send()) {
        pair_.now += std::chrono::microseconds(50);
        carry(*pair_.client, *pair_.server);
        carry(*pair_.server, *pair_.client);
        end = pair_.now + std::chrono::milliseconds(5);
      }
      pair_.now = std::min(pair_.client->next_expiry(), pair_.server->next_expiry());
      if (pair_.now <= end) {
        pair_.client->handle_expiry(pair_.now);
        timed(*pair_.server, [&] { pair_.server->handle_expiry(pair_.now); });
      } else {
        pair_.now = end + base::Duration(1);
      }
    }
  }

  void carry(Endpoint& from, Endpoint& to) {
    pair_.batch.clear();
    timed(from, [&] { from.poll_send(pair_.batch, pair_.now); });
    for (const base::Train& train : pair_.batch.trains()) {
      std::span<const std::uint8_t> rest = pair_.batch.bytes(train);
      while (!rest.empty()) {
        const auto packet = rest.first(std::min<std::size_t>(rest.size(), train.segment_bytes));
        rest = rest.subspan(packet.size());
        const base::ReceivedDatagram datagram{{train.path.remote, train.path.local}, train.ecn, packet};
        timed(to, [&] { std::ignore = to.handle_datagram(datagram, pair_.now); });
      }
    }
  }

  EndpointPair pair_;
  Clock::duration server_time_{};
};

void server_handshake(benchmark::State& state, bool resumes) {
  TimedPair pair(resumes);
  pair.shake_hands();  // brings the first ticket
  const std::uint64_t before = pair.completed();
  for (auto _ : state) {
    state.SetIterationTime(pair.shake_hands());
  }
  if (pair.completed() - before != static_cast<std::uint64_t>(state.iterations())) {
    state.SkipWithError("a handshake failed");
  }
}

BENCHMARK_CAPTURE(server_handshake, full, false)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(server_handshake, resumed, true)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace knul::quic
