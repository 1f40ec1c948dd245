// The turn of a channel's worker: events, waits for the program's head, and the end of the channel.
#include "channel/worker_part.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace knul::channel {
namespace {

// The code of CHANNEL_CLOSED.
std::uint32_t code_of(Core::State state) {
  switch (state) {
    case Core::State::kInvalidHead:
      return KREPIS_INVALID_CONTEXT;
    case Core::State::kTimedOut:
      return KREPIS_TIMEOUT;
    default:
      return KREPIS_CONNECTION_FAILED;
  }
}

}  // namespace

WorkerPart::WorkerPart(Core& core, unsigned index, krepis::Worker& worker)
    : core_(core),
      index_(index),
      ring_(core.rings[index]),
      mailbox_(core.mailboxes[index]),
      events_(ring_, mailbox_, worker),
      states_(core.table, ring_, mailbox_),
      receiving_(core, index, events_, states_),
      sending_(core, mailbox_, events_),
      datagrams_(core, events_),
      watch_(core, ring_) {}

void WorkerPart::end_turn() {
  constexpr int kMostChecks = 3;
  if (mailbox_.is_notified.load(std::memory_order_relaxed)) {
    mailbox_.is_notified.exchange(false);
  }
  for (int check = 0; check < kMostChecks; ++check) {
    check_head();
    if (!core_.is_open()) {
      close_all();
    }
    take_mail();
    receiving_.unpark_all();
    publish();
    states_.free_entries();
    wait_for_head();
    if (!core_.waits_for_head[index_].load() || !ring_.has_moved()) {
      return;
    }
  }
  core_.notify_worker(index_);  // a program that keeps moving its head must not keep the worker here
}

void WorkerPart::check_head() {
  if (!ring_.refresh_head() && core_.is_open()) {
    break_channel(Core::State::kInvalidHead);
  }
  if (core_.is_broken() && !ring_.is_sealed()) {
    ring_.seal(nullptr);  // CHANNEL_CLOSED is in the ring of another worker
  }
  states_.run_due();
}

void WorkerPart::publish() {
  if (core_.state() != Core::State::kClosed && ring_.publish()) {
    ring_.start_measurement(events_.now());
    core_.wake.notify();
  }
  core_.backlogs[index_].store(ring_.backlog(), std::memory_order_relaxed);
  core_.free_blocks[index_].store(static_cast<std::uint32_t>(receiving_.free_blocks()),
                                  std::memory_order_relaxed);
}

// Invariant: the worker does not miss a head. The program stores its head and then exchanges the flag. The
// worker exchanges the flag and then loads the head. The thread whose exchange is second sees all stores
// before the other exchange: the program sees the flag and wakes the worker, or the worker sees the new head.
void WorkerPart::wait_for_head() {
  const bool is_waiting =
      core_.state() != Core::State::kClosed && (states_.waits_for_reader() || ring_.backlog() > 0);
  if (is_waiting || core_.waits_for_head[index_].load(std::memory_order_relaxed)) {
    core_.waits_for_head[index_].exchange(is_waiting);
  }
}

void WorkerPart::watch_consumer() { break_channel(watch_.check()); }

void WorkerPart::check_hang_up() {
  if (watch_.has_hung_up()) {
    break_channel(Core::State::kHungUp);
  }
}

void WorkerPart::break_channel(Core::State to) {
  if (to == Core::State::kOpen || !core_.change_state(to)) {
    return;
  }
  FfiEvent event = events_.make(KREPIS_EVENT_CHANNEL_CLOSED, 0U);
  event.code = code_of(to);
  ring_.seal(&event);
  publish();
  core_.notify_workers();
  core_.wake.notify_all();
}

void WorkerPart::close_all() {
  if (std::exchange(has_closed_all_, true)) {
    return;
  }
  for (const ConnectionState* state : states_.open_connections()) {
    if (state->connection != nullptr) {
      state->connection->close(KREPIS_CODE_CONSUMER_GONE, "the channel of the connection was closed");
    }
  }
}

void WorkerPart::handle_drain(std::chrono::milliseconds left) {
  if (core_.is_draining.exchange(true)) {
    return;
  }
  FfiEvent event = events_.make(KREPIS_EVENT_DRAINING, 0U);
  event.value = static_cast<std::uint32_t>(left.count());
  events_.push(event);
}

void WorkerPart::detach() {
  while (!states_.open_connections().empty()) {
    krepis::CloseReason reason;
    reason.source = krepis::CloseReason::Source::kDrain;
    reason.code = KREPIS_CODE_DEADLINE;
    close_connection(**states_.open_connections().begin(), reason);
  }
  check_head();
  publish();
  events_.detach();
  states_.detach();
  const std::lock_guard lock(mailbox_.mutex);
  mailbox_.is_open = false;
  mailbox_.mail = {};
  core_.count_lost_log_messages(std::exchange(mailbox_.log_messages, 0));
}

void WorkerPart::pump() {
  check_head();
  publish();
  states_.free_entries();
}

void WorkerPart::publish_stopped(std::uint32_t code, std::string_view report) {
  FfiEvent event = events_.make(KREPIS_EVENT_SERVER_STOPPED, 0U);
  event.code = code;
  event.offset = static_cast<std::uint32_t>(core_.layout.report_offset());
  event.length = static_cast<std::uint32_t>(std::min(report.size(), kBlockBytes));
  std::memcpy(core_.arena() + event.offset, report.data(), event.length);
  events_.push(event);
  pump();
}

}  // namespace knul::channel
