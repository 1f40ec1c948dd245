// A worker thread: the loop of receiving, timers and sending around a WorkerCore.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "posix/pages.hpp"
#include "posix/random.hpp"
#include "runtime/completion_latch.hpp"
#include "runtime/mailbox.hpp"
#include "runtime/poller.hpp"
#include "runtime/worker_thread.hpp"
#include "server/spare_payloads.hpp"
#include "server/worker_core.hpp"
#include "udp/udp_socket.hpp"

namespace knul::server {

// A datagram that arrived at a worker that does not own its connection.
struct HandedOver {
  base::Path path;
  base::Ecn ecn = base::Ecn::kNotEct;
  std::vector<std::uint8_t> payload;
};

struct WorkerOptions {
  quic::EndpointOptions endpoint;
  std::unique_ptr<krepis::Application> application;
  udp::UdpSocket* receive_socket = nullptr;  // null: another worker reads for this one
  udp::UdpSocket* send_socket = nullptr;
  base::Duration busy_poll{0};  // see ConnectionOptions::busy_poll_us
  std::string thread_name;
};

// Lifetime: the sockets and the log outlive this object. Never moves.
class Worker {
 public:
  // Error: kQuota (descriptors). The thread does not run before start().
  static base::Result<std::unique_ptr<Worker>> create(WorkerOptions options, base::LogSink& log);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Error: kQuota (threads). `peers` are all workers of the server by index, including this one.
  base::Status start(const std::vector<std::unique_ptr<Worker>>& peers);

  // Replaces start() when another worker could not start: the other workers do not wait for this one.
  void abandon() { is_drained_.store(true); }

  // Thread: any, from here to join().
  bool post(std::function<void()> task);
  // Copies the datagram. False: the queue is full or memory is short.
  bool hand_over(const base::ReceivedDatagram& datagram);
  // Runs the task on the worker's thread. False: the worker stops or its queue is full.
  bool post_to_core(std::function<void(WorkerCore& core, base::Instant now)> task);
  // Starts the drain. Only the first call counts. Cannot fail.
  void request_drain(base::Instant deadline);
  // Waits for the thread to finish its drain. False: the deadline has passed.
  [[nodiscard]] bool wait_until_stopped(base::Instant deadline) { return stopped_.wait_until(deadline); }
  void join() { thread_.join(); }
  [[nodiscard]] const stats::WorkerCounters& counters() const { return *counters_; }

  // Requires join().
  [[nodiscard]] krepis::DrainReport drain_report() const { return drain_report_; }

 private:
  static constexpr std::uint64_t kSocketToken = 1;
  static constexpr std::uint64_t kWakerToken = 2;
  static constexpr std::int64_t kNoDrain = -1;

  // Two alternatives, because a wrapper around the other type would not fit into std::function's own memory.
  using CoreTask = std::function<void(WorkerCore& core, base::Instant now)>;
  using Task = std::variant<std::function<void()>, CoreTask>;

  Worker(WorkerOptions options, base::LogSink& log, runtime::Poller poller,
         std::unique_ptr<runtime::Waker> waker);

  void run();
  // Runs a part of a turn. An exception for a connection has already ended that connection; other exceptions
  // mean lack of memory, and the next turn does the missed work.
  template <class Part>
  void attempt(Part part) noexcept;
  void wait_for_work(base::Instant now);
  [[nodiscard]] bool finds_work(base::Instant now, base::Instant deadline);
  void take_mail(base::Instant now);
  void take_drain_request(base::Instant now);
  void receive(base::Instant now);
  void read_socket();
  // The core's counts at which a turn delivers no more datagrams.
  struct TurnLimits {
    std::uint64_t scheduled;
    std::uint64_t frames;
  };
  void deliver_batch(base::Instant now, const TurnLimits& limits);
  [[nodiscard]] bool has_datagram() const { return next_datagram_ != nullptr || receive_batch_.has_next(); }
  void deliver(const base::ReceivedDatagram& datagram, base::Instant now);
  void send(base::Instant now);
  void watch_writable(bool is_wanted);
  [[nodiscard]] bool has_mail() const;
  void note_drained(base::Instant now);
  [[nodiscard]] bool are_all_drained() const;

  WorkerOptions options_;
  base::LogSink& log_;
  std::unique_ptr<stats::WorkerCounters> counters_;
  posix::SystemRandom random_;
  posix::SystemPages pages_;
  runtime::Poller poller_;
  std::unique_ptr<runtime::Waker> waker_;
  SparePayloads spare_payloads_;
  runtime::Mailbox<HandedOver> handed_over_;
  runtime::Mailbox<Task> tasks_;
  std::atomic<std::int64_t> drain_deadline_ns_{kNoDrain};
  std::atomic<bool> is_stopping_{false};
  // This worker has finished its drain. It still answers until all workers have finished, because its socket
  // gets a part of the new connections, which must be refused with an answer.
  std::atomic<bool> is_drained_{false};
  runtime::CompletionLatch stopped_{1};
  krepis::DrainReport drain_report_;

  // Thread: the worker's own, for the members from here on.
  const std::vector<std::unique_ptr<Worker>>* peers_ = nullptr;
  std::optional<WorkerCore> core_;
  udp::ReceiveBatch receive_batch_;
  const base::ReceivedDatagram* next_datagram_ = nullptr;  // taken out of the batch, not yet delivered
  base::SendBatch send_batch_{base::SendBatch::Limits{}};
  udp::SendCursor send_cursor_;
  bool is_readable_ = false;
  bool had_work_ = false;  // packets or mail since the last finds_work()
  bool awaits_writable_ = false;
  base::Instant socket_full_since_{};  // while awaits_writable_
  bool is_drain_begun_ = false;
  base::Instant retry_send_at_ = base::kNever;

  runtime::WorkerThread thread_;  // last, so that it is joined before the members that it uses are destroyed
};

}  // namespace knul::server
