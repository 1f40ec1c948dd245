// A worker thread: its loop of receiving, timers and sending around a WorkerCore.
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

// A datagram that arrived at another worker than its connection's.
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

// Lifetime: the sockets and the log live longer. Not moved.
class Worker {
 public:
  // Errors: kQuota (descriptors). Nothing runs before start().
  static base::Result<std::unique_ptr<Worker>> create(WorkerOptions options, base::LogSink& log);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Error: kQuota (threads). `peers` are all workers of the server, this one included, by index.
  base::Status start(const std::vector<std::unique_ptr<Worker>>& peers);

  // Instead of start(), when another worker could not be started: nobody waits for this one.
  void abandon() { is_drained_.store(true); }

  // Thread: any, for all that follows.
  bool post(std::function<void()> task);
  // Copies it; false when the queue is full or there is no memory.
  bool hand_over(const base::ReceivedDatagram& datagram);
  // Runs on the worker's thread with its core; false when the worker stops or its queue is full.
  bool post_to_core(std::function<void(WorkerCore& core, base::Instant now)> task);
  // Starts the drain; it cannot fail. Only the first call counts.
  void request_drain(base::Instant deadline);
  // True when the thread has finished its drain.
  [[nodiscard]] bool wait_until_stopped(base::Instant deadline) { return stopped_.wait_until(deadline); }
  void join() { thread_.join(); }
  [[nodiscard]] const stats::WorkerCounters& counters() const { return *counters_; }

  // After join().
  [[nodiscard]] krepis::DrainReport drain_report() const { return drain_report_; }

 private:
  static constexpr std::uint64_t kSocketToken = 1;
  static constexpr std::uint64_t kWakerToken = 2;
  static constexpr std::int64_t kNoDrain = -1;

  // Both kinds as they came: one around the other would not fit into std::function's own memory.
  using CoreTask = std::function<void(WorkerCore& core, base::Instant now)>;
  using Task = std::variant<std::function<void()>, CoreTask>;

  Worker(WorkerOptions options, base::LogSink& log, runtime::Poller poller,
         std::unique_ptr<runtime::Waker> waker);

  void run();
  // Does a part of a turn. What a connection throws has ended that connection already; what is left to throw
  // is for want of memory, and the next turn does what this one could not.
  template <class Part>
  void attempt(Part part) noexcept;
  void wait_for_work(base::Instant now);
  [[nodiscard]] bool finds_work(base::Instant now, base::Instant deadline);
  void take_mail(base::Instant now);
  void take_drain_request(base::Instant now);
  void receive(base::Instant now);
  void read_socket();
  // Counts of the core at which a turn takes no more datagrams.
  struct TurnLimits {
    std::uint64_t roused;
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
  // This worker is done. It goes on answering until all are: its socket still gets a part of the new
  // connections, which are to be refused and not left without an answer.
  std::atomic<bool> is_drained_{false};
  runtime::CompletionLatch stopped_{1};
  krepis::DrainReport drain_report_;

  // Thread: the worker's own, from here on.
  const std::vector<std::unique_ptr<Worker>>* peers_ = nullptr;
  std::optional<WorkerCore> core_;
  udp::ReceiveBatch receive_batch_;
  const base::ReceivedDatagram* next_datagram_ = nullptr;  // of the batch, taken out and not delivered
  base::SendBatch send_batch_{base::SendBatch::Limits{}};
  udp::SendCursor send_cursor_;
  bool is_readable_ = false;
  bool had_work_ = false;  // packets or mail since the last finds_work()
  bool awaits_writable_ = false;
  bool is_drain_begun_ = false;
  base::Instant retry_send_at_ = base::kNever;

  runtime::WorkerThread thread_;  // last: joined before anything it uses is gone
};

}  // namespace knul::server
