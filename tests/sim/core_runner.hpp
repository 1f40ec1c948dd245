// Turns the loop of one server::WorkerCore in virtual time, in the order in which server::Worker turns it:
// all that has arrived, timers, sending, the end of the drain.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "network.hpp"
#include "quic/wire/seeded_random_test_support.hpp"
#include "server/worker_core.hpp"

namespace knul::sim {

// Thread: one. Lifetime: as long as the network runs; not moved.
class CoreRunner {
 public:
  using Send = std::function<void(Datagram datagram)>;

  CoreRunner(Network& network, quic::EndpointOptions options,
             std::unique_ptr<krepis::Application> application, Send send);
  CoreRunner(const CoreRunner&) = delete;
  CoreRunner& operator=(const CoreRunner&) = delete;

  // The worker that the datagram belongs to if not this one.
  std::optional<unsigned> receive(const Datagram& datagram);
  void take_handed_over(const Datagram& datagram);
  void connect(const quic::ConnectTarget& target);
  // As from another thread: runs on the core's in its next turn.
  bool post(std::function<void()> task);
  void begin_drain(base::Instant deadline);
  // Gone at once, without a packet.
  void kill() { core_.reset(); }

  // False from the end of the drain; the core and its Application are gone then.
  [[nodiscard]] bool is_running() const { return core_ != nullptr; }
  [[nodiscard]] server::WorkerCore& core() { return *core_; }
  [[nodiscard]] const stats::WorkerCounters& counters() const { return counters_; }
  // Of the drain, once it is over.
  [[nodiscard]] const krepis::DrainReport& report() const { return report_; }
  [[nodiscard]] base::Instant stopped_at() const { return stopped_at_; }

 private:
  void wake();
  void turn();
  void send_all();
  void arm(base::Instant deadline);
  void watch_for_spinning();

  Network& network_;
  Send send_;
  quic::SeededRandom random_;
  base::NullLogSink log_;
  stats::WorkerCounters counters_;
  std::unique_ptr<server::WorkerCore> core_;
  krepis::DrainReport report_;
  base::Instant stopped_at_ = base::kNever;
  bool is_drain_begun_ = false;
  bool is_turn_due_ = false;
  base::Instant armed_for_ = base::kNever;
  base::Instant idle_since_{};
  unsigned idle_turns_ = 0;
};

}  // namespace knul::sim
