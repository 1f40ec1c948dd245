#include "server/worker.hpp"

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

#include "posix/clock.hpp"
#include "runtime/relax.hpp"

namespace knul::server {
namespace {

constexpr std::size_t kHandOverQueue = 4'096;  // datagrams; further ones are dropped and counted
constexpr std::size_t kTaskQueue = 4'096;
// Limits of a turn of the loop, so that neither a flood of packets nor a fast path delays the other
// direction.
constexpr int kReceiveCallsPerTurn = 8;
constexpr int kSendBatchesPerTurn = 8;
// When packets have given this many connections something to send, the turn serves these before it reads
// packets of others. Their data is then still in the processor's cache, their packets fit into one batch, and
// their peers can go on meanwhile.
constexpr std::uint64_t kConnectionsPerTurn = 16;
// A datagram may hold one frame or 60,000 frames. The most expensive frames take 300 ns each, so that a
// turn's frames take at most 5 ms; uploads at full speed have fewer.
constexpr std::uint64_t kFramesPerTurn = 16'384;
// The pause between two reads of an empty socket, about half a microsecond.
constexpr int kRelaxations = 20;

}  // namespace

base::Result<std::unique_ptr<Worker>> Worker::create(WorkerOptions options, base::LogSink& log) {
  auto poller = runtime::Poller::create();
  if (!poller) {
    return std::move(poller).error();
  }
  auto waker = runtime::Waker::create();
  if (!waker) {
    return std::move(waker).error();
  }
  std::unique_ptr<Worker> worker(new Worker(std::move(options), log, *std::move(poller), *std::move(waker)));
  if (base::Status status = worker->poller_.add(worker->waker_->fd(), kWakerToken, {.read = true}); !status) {
    return std::move(status).error();
  }
  // Also for a worker that another one reads for: the shared socket reports here when it is writable again.
  if (base::Status status = worker->poller_.add(worker->options_.send_socket->fd(), kSocketToken,
                                                {.read = worker->options_.receive_socket != nullptr});
      !status) {
    return std::move(status).error();
  }
  return worker;
}

Worker::Worker(WorkerOptions options, base::LogSink& log, runtime::Poller poller,
               std::unique_ptr<runtime::Waker> waker)
    : options_(std::move(options)),
      log_(log),
      counters_(std::make_unique<stats::WorkerCounters>()),
      poller_(std::move(poller)),
      waker_(std::move(waker)),
      handed_over_(kHandOverQueue, *waker_),
      tasks_(kTaskQueue, *waker_) {
  options_.endpoint.pages = &pages_;
  core_.emplace(
      std::move(options_.endpoint),
      CoreEnvironment{random_, log_, *counters_, [this](auto task) { return post(std::move(task)); }},
      std::move(options_.application), posix::monotonic_now());
}

Worker::~Worker() = default;

base::Status Worker::start(const std::vector<std::unique_ptr<Worker>>& peers) {
  peers_ = &peers;
  auto thread = runtime::WorkerThread::start({.name = options_.thread_name}, [this] { run(); });
  if (!thread) {
    return std::move(thread).error();
  }
  thread_ = *std::move(thread);
  return {};
}

bool Worker::post(std::function<void()> task) {
  return !is_stopping_.load(std::memory_order_acquire) && tasks_.try_post(std::move(task));
}

bool Worker::post_to_core(std::function<void(WorkerCore& core, base::Instant now)> task) {
  return !is_stopping_.load(std::memory_order_acquire) && tasks_.try_post(std::move(task));
}

bool Worker::hand_over(const base::ReceivedDatagram& datagram) {
  HandedOver copy{datagram.path, datagram.ecn, spare_payloads_.take()};
  try {
    copy.payload.assign(datagram.payload.begin(), datagram.payload.end());
  } catch (const std::bad_alloc&) {
    return false;
  }
  if (handed_over_.try_post(std::move(copy))) {
    return true;
  }
  spare_payloads_.give(std::move(copy.payload));  // NOLINT(bugprone-use-after-move): a failed post keeps it
  return false;
}

void Worker::request_drain(base::Instant deadline) {
  std::int64_t none = kNoDrain;
  // seq_cst: the worker arms its waker and then reads this, see Waker.
  if (drain_deadline_ns_.compare_exchange_strong(none, deadline.time_since_epoch().count())) {
    waker_->wake_if_armed();
  }
}

template <class Part>
void Worker::attempt(Part part) noexcept {
  try {
    part();
  } catch (...) {
    counters_->errors.add();
    counters_->out_of_memory.add();
    log_.write(base::LogLevel::kError, base::LogKind::kOutOfMemory,
               [] { return "out of memory: a part of a turn of a worker's loop is given up"; });
  }
}

void Worker::run() {
  base::Instant now = posix::monotonic_now();
  while (!are_all_drained()) {
    attempt([&] { wait_for_work(now); });
    now = posix::monotonic_now();
    counters_->loop_wakeups.add();
    attempt([&] { take_mail(now); });
    attempt([&] { take_drain_request(now); });
    attempt([&] { receive(now); });
    attempt([&] { core_->handle_expiry(now); });
    attempt([&] { core_->finish_input(now); });
    now = posix::monotonic_now();  // a request's latency includes the handling of the input
    attempt([&] { send(now); });
    attempt([&] { core_->finish_input(now); });  // sending reports events too, such as closes
    note_drained(now);
  }
  is_stopping_.store(true, std::memory_order_release);
  tasks_.drain([](Task&&) {});  // whoever waits for one of them waits no longer
  drain_report_ = core_->drain_report();
  core_.reset();  // the Application is destroyed on the thread that it ran on
  stopped_.count_down();
}

void Worker::note_drained(base::Instant now) {
  if (is_drained_.load() || !core_->is_drained(now)) {
    return;
  }
  is_drained_.store(true);  // seq_cst: the other workers arm their wakers and then read this, see Waker
  for (const auto& peer : *peers_) {
    peer->waker_->wake_if_armed();
  }
}

bool Worker::are_all_drained() const {
  return is_drained_.load() &&
         std::ranges::all_of(*peers_, [](const auto& peer) { return peer->is_drained_.load(); });
}

bool Worker::has_mail() const {
  return are_all_drained() || handed_over_.has_mail() || tasks_.has_mail() ||
         (!is_drain_begun_ && drain_deadline_ns_.load(std::memory_order_seq_cst) != kNoDrain);
}

void Worker::wait_for_work(base::Instant now) {
  const bool can_send = core_->wants_send() && !awaits_writable_ && retry_send_at_ == base::kNever;
  // After its drain a worker waits for no timers and only answers packets.
  base::Instant deadline =
      is_drained_.load() ? retry_send_at_ : std::min(core_->next_expiry(), retry_send_at_);
  if (is_readable_ || has_datagram() || can_send) {
    deadline = now;
  }
  if (finds_work(now, deadline)) {
    return;
  }
  // Armed before the mail is read, so that no wake-up is lost, see Waker.
  waker_->arm();
  if (has_mail()) {
    deadline = now;
  }
  const std::span<const runtime::ReadyEvent> events = poller_.wait(deadline);
  waker_->disarm();
  for (const runtime::ReadyEvent& event : events) {
    if (event.token == kWakerToken) {
      waker_->acknowledge();
      continue;
    }
    is_readable_ = is_readable_ || (event.is_readable && options_.receive_socket != nullptr);
    if (event.is_writable && awaits_writable_) {
      watch_writable(false);
      core_->note_socket_full(posix::monotonic_now() - socket_full_since_);
    }
  }
}

// Polls for packets and mail without sleeping, for as long as the setting allows. When they arrive in quick
// succession, a sleep costs more: a wake-up here, and a longer system call of a sender that must wake another
// CPU.
bool Worker::finds_work(base::Instant now, base::Instant deadline) {
  const bool is_of_use = options_.busy_poll > base::Duration{0} && deadline > now && !awaits_writable_;
  if (!is_of_use || !std::exchange(had_work_, false)) {
    return false;
  }
  const base::Instant until = std::min(deadline, posix::monotonic_now() + options_.busy_poll);
  counters_->busy_polls.add();
  do {
    for (int i = 0; i < kRelaxations; ++i) {
      runtime::relax_cpu();
    }
    read_socket();
    if (receive_batch_.has_next() || has_mail()) {
      counters_->busy_polls_hit.add();
      return true;
    }
  } while (posix::monotonic_now() < until);
  return false;
}

void Worker::take_mail(base::Instant now) {
  const std::size_t tasks = tasks_.drain([&](Task&& task) {
    try {
      if (const auto* posted = std::get_if<std::function<void()>>(&task)) {
        core_->run_posted(*posted, now);
      } else {
        std::get<CoreTask>(task)(*core_, now);
      }
    } catch (...) {
      counters_->application_exceptions.add();
      counters_->errors.add();
      log_.write(base::LogLevel::kWarning, base::LogKind::kApplicationException,
                 [] { return "a task that the program posted threw an exception"; });
    }
  });
  const std::size_t datagrams = handed_over_.drain([&](HandedOver&& datagram) {
    core_->handle_handed_over({datagram.path, datagram.ecn, datagram.payload}, now);
    spare_payloads_.give(std::move(datagram.payload));
  });
  had_work_ = had_work_ || tasks + datagrams > 0;
}

void Worker::take_drain_request(base::Instant now) {
  const std::int64_t deadline = drain_deadline_ns_.load(std::memory_order_seq_cst);
  if (deadline != kNoDrain && !is_drain_begun_) {
    is_drain_begun_ = true;
    core_->begin_drain(now, base::Instant(base::Duration(deadline)));
  }
}

// Reads the input of one wake-up, up to the limits of a turn, before anything is sent, so that
// acknowledgements and answers share packets and trains.
void Worker::receive(base::Instant now) {
  const TurnLimits limits{core_->scheduled_count() + kConnectionsPerTurn,
                          core_->frames_read() + kFramesPerTurn};
  deliver_batch(now, limits);  // from finds_work() or the last turn
  for (int call = 0; is_readable_ && !has_datagram() && call < kReceiveCallsPerTurn; ++call) {
    read_socket();
    deliver_batch(now, limits);
  }
}

void Worker::read_socket() {
  assert(!has_datagram());
  if (options_.receive_socket != nullptr) {
    is_readable_ = !options_.receive_socket->receive(receive_batch_, *counters_).is_drained;
  }
}

// Ends at a limit. At the limit of connections it still delivers the rest of a connection's train: packets
// that are answered together arrive together the next time.
void Worker::deliver_batch(base::Instant now, const TurnLimits& limits) {
  while (true) {
    if (next_datagram_ == nullptr) {
      next_datagram_ = receive_batch_.next();
    }
    if (next_datagram_ == nullptr || core_->frames_read() >= limits.frames ||
        (core_->scheduled_count() >= limits.scheduled && !core_->is_for_recent_connection(*next_datagram_))) {
      return;
    }
    had_work_ = true;
    deliver(*std::exchange(next_datagram_, nullptr), now);
  }
}

void Worker::deliver(const base::ReceivedDatagram& datagram, base::Instant now) {
  const std::optional<unsigned> owner = core_->handle_datagram(datagram, now);
  if (!owner.has_value()) {
    return;
  }
  counters_->handovers_out.add();
  if (!(*peers_)[*owner]->hand_over(datagram)) {
    counters_->handovers_dropped.add();
    KNUL_DROP_PACKET(*counters_, handover_queue_full);
    log_.write(base::LogLevel::kInfo, base::LogKind::kHandoverQueueFull, [&] {
      return "packet from " + datagram.path.remote.to_string() + " dropped: the queue of worker " +
             std::to_string(*owner) + " is full; it holds " + std::to_string(kHandOverQueue) + " datagrams";
    });
  }
}

void Worker::send(base::Instant now) {
  if (awaits_writable_ || now < (retry_send_at_ == base::kNever ? now : retry_send_at_)) {
    return;
  }
  retry_send_at_ = base::kNever;
  for (int batches = 0; batches < kSendBatchesPerTurn; ++batches) {
    if (send_batch_.is_empty()) {
      send_cursor_ = {};
      core_->poll_send(send_batch_, now);
    }
    if (send_batch_.is_empty()) {
      return;
    }
    const udp::SendResult result = options_.send_socket->send(send_batch_, send_cursor_, *counters_);
    if (result.status == udp::SendStatus::kAwaitWritable) {
      socket_full_since_ = now;
      return watch_writable(true);
    }
    if (result.status == udp::SendStatus::kRetryAfter) {
      retry_send_at_ = now + result.retry_after;
      return;
    }
    send_batch_.clear();
  }
}

void Worker::watch_writable(bool is_wanted) {
  awaits_writable_ = is_wanted;
  const base::Status status =
      poller_.modify(options_.send_socket->fd(), kSocketToken,
                     {.read = options_.receive_socket != nullptr, .write = is_wanted});
  if (!status) {
    // Without the notification the loop would sleep on a full socket forever, so it tries again soon.
    awaits_writable_ = false;
    retry_send_at_ = posix::monotonic_now() + std::chrono::milliseconds(1);
  }
}

}  // namespace knul::server
