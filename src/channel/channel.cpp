// Events, waits, releases and the end of a channel.
#include "channel/channel.hpp"

#include <poll.h>

#include <algorithm>
#include <bit>
#include <chrono>

#include "base/worker_limit.hpp"
#include "channel/hub.hpp"
#include "channel/worker_part.hpp"
#include "posix/clock.hpp"

namespace knul::channel {
namespace {

using krepis::ErrorCode;

std::uint64_t bit(std::size_t worker) { return std::uint64_t{1} << worker; }

}  // namespace

Channel::Channel(std::unique_ptr<Core> core, std::weak_ptr<Hub> hub)
    : core_(std::move(core)), hub_(std::move(hub)), workers_(core_->workers()) {
  static_assert(base::kMostWorkers <= sizeof(postponed_) * 8);
}

Channel::~Channel() = default;

void Channel::describe(FfiChannelRegion& region) {
  const RegionLayout& layout = core_->layout;
  region.base = core_->region.data();
  region.bytes = layout.bytes;
  region.ring_offset = 0;
  region.ring_stride = layout.ring_stride;
  region.arena_offset = layout.arena_offset;
  region.arena_bytes = layout.arena_bytes;
  region.rings = static_cast<std::uint32_t>(layout.rings);
  region.ring_records = static_cast<std::uint32_t>(layout.ring_records);
  region.wake_fd = core_->wake.take_program_end();
}

WorkerPart& Channel::begin_worker(unsigned index, krepis::Worker& worker) {
  workers_[index] = std::make_unique<WorkerPart>(*core_, index, worker);
  return *workers_[index];
}

void Channel::end_worker(unsigned index) {
  const std::lock_guard lock(end_mutex_);
  workers_[index]->detach();
  ended_.fetch_or(bit(index), std::memory_order_release);
}

void Channel::publish_stopped(std::uint32_t code, std::string_view report) {
  {
    const std::lock_guard lock(end_mutex_);
    if (is_stopped_.exchange(true) || !workers_[0]) {
      return;
    }
    workers_[0]->publish_stopped(code, report);
  }
  core_->wake.notify_all();
}

bool Channel::has_events() const {
  for (const EventRing& ring : core_->rings) {
    if (ring.has_events()) {
      return true;
    }
  }
  return false;
}

// True if CHANNEL_CLOSED may still wait for room in its ring.
bool Channel::has_last_event() const {
  return core_->is_broken() && std::ranges::any_of(core_->backlogs, [](const auto& backlog) {
           return backlog.load(std::memory_order_relaxed) > 0;
         });
}

// See WorkerPart::wait_for_head.
void Channel::check_heads() {
  for (std::size_t i = 0; i < core_->workers(); ++i) {
    if (core_->rings[i].has_moved() && core_->waits_for_head[i].exchange(false)) {
      core_->notify_worker(i);
    }
  }
  const std::uint64_t ended = ended_.load(std::memory_order_acquire);
  if (ended == 0) {
    return;
  }
  const std::lock_guard lock(end_mutex_);
  for (std::size_t i = 0; i < core_->workers(); ++i) {
    if ((ended & bit(i)) != 0) {
      workers_[i]->pump();
    }
  }
}

Outcome Channel::check_open() const {
  switch (core_->state()) {
    case Core::State::kOpen:
      return {};
    case Core::State::kInvalidHead:
      return Outcome::refuse(ErrorCode::kInvalidContext,
                             "the channel was closed because the program stored an invalid ring head");
    case Core::State::kTimedOut:
      return Outcome::refuse(
          ErrorCode::kInvalidContext,
          "the channel was closed because the program read no events for consumer_timeout_ms");
    case Core::State::kHungUp:
      return Outcome::refuse(ErrorCode::kInvalidContext,
                             "the channel was closed because the program closed its end of wake_fd");
    case Core::State::kClosed:
      break;
  }
  return Outcome::refuse(ErrorCode::kInvalidPointer, "the channel is closed");
}

bool Channel::put_log(std::uint8_t level, std::string_view json) {
  constexpr std::uint32_t kMostWaiting = 64;
  for (std::size_t worker = 0; worker < core_->workers() && core_->is_open(); ++worker) {
    Mailbox& mailbox = core_->mailboxes[worker];
    std::unique_lock lock(mailbox.mutex);
    if (!mailbox.is_open) {
      continue;  // the worker has ended
    }
    if (mailbox.log_messages >= kMostWaiting || core_->backlogs[worker].load(std::memory_order_relaxed) > 0) {
      return false;
    }
    mailbox.make_room(json.size());
    Command command;
    command.kind = Command::Kind::kLog;
    command.option = level;
    mailbox.add_with_bytes(command, {reinterpret_cast<const std::uint8_t*>(json.data()), json.size()});
    ++mailbox.log_messages;
    lock.unlock();
    notify_worker(worker);
    return true;
  }
  return false;
}

Outcome Channel::arm() {
  if (core_->state() == Core::State::kClosed) {
    return check_open();
  }
  check_heads();
  core_->wake.arm();
  if (has_events()) {
    core_->wake.disarm();
    return Outcome::of(1);
  }
  return Outcome::of(0);
}

Outcome Channel::wait(std::uint32_t timeout_ms) {
  if (core_->state() == Core::State::kClosed) {
    return check_open();
  }
  const base::Instant deadline = posix::monotonic_now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    check_heads();
    core_->wake.begin_wait();
    const bool has_any = has_events();
    if (has_any || !(core_->is_open() || has_last_event())) {
      core_->wake.end_wait();
      if (core_->state() == Core::State::kClosed) {
        return Outcome::refuse(ErrorCode::kInvalidContext, "the channel was closed during the wait");
      }
      return has_any ? Outcome::of(1) : check_open();
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - posix::monotonic_now()).count();
    if (left <= 0) {
      core_->wake.end_wait();
      return Outcome::of(0);
    }
    pollfd events{core_->wake.wait_fd(), POLLIN, 0};
    ::poll(&events, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    core_->wake.end_wait();
  }
}

Outcome Channel::release(std::span<const std::uint32_t> offsets) {
  const RegionLayout& layout = core_->layout;
  bool is_any_invalid = false;
  std::size_t held = core_->workers();  // the index after the last worker: no lock is held
  std::unique_lock<std::mutex> lock;
  std::uint64_t touched = 0;
  for (const std::uint32_t offset : offsets) {
    if (offset >= layout.arena_bytes || offset % kGranuleBytes != 0 ||
        core_->granules()[offset / kGranuleBytes].exchange(0, std::memory_order_acq_rel) != 1) {
      is_any_invalid = true;
      continue;
    }
    const std::size_t worker = layout.worker_of(offset);
    if (worker >= core_->workers()) {
      continue;  // the block of the report, which no worker counts
    }
    if (worker != held) {
      if (lock.owns_lock()) {
        lock.unlock();
      }
      lock = std::unique_lock(core_->mailboxes[worker].mutex);
      held = worker;
      touched |= bit(worker);
    }
    if (core_->mailboxes[worker].is_open) {
      core_->mailboxes[worker].mail.releases.push_back(offset);
    }
  }
  if (lock.owns_lock()) {
    lock.unlock();
  }
  postponed_.fetch_or(touched);
  notify_postponed();
  check_heads();
  return is_any_invalid
             ? Outcome::refuse(ErrorCode::kInvalidRequest,
                               "an offset does not name an unreleased event; the other events were released")
             : Outcome{};
}

Outcome Channel::flush() {
  if (core_->state() == Core::State::kClosed) {
    return check_open();
  }
  notify_postponed();
  check_heads();
  return {};
}

void Channel::postpone_notification(std::size_t worker) { postponed_.fetch_or(bit(worker)); }

void Channel::notify_worker(std::size_t worker) {
  core_->notify_worker(worker);
  notify_postponed();
}

void Channel::notify_postponed() {
  if (postponed_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  const std::uint64_t postponed = postponed_.exchange(0);
  for (std::size_t i = 0; i < core_->workers(); ++i) {
    if ((postponed & bit(i)) != 0) {
      core_->notify_worker(i);
    }
  }
}

Outcome Channel::close() {
  if (core_->change_state(Core::State::kClosed)) {
    // The channel was open.
  } else if (core_->state() == Core::State::kClosed) {
    return check_open();
  } else {
    core_->force_closed();
  }
  core_->notify_workers();
  core_->wake.notify_all();
  if (const auto hub = hub_.lock()) {
    hub->remove(*this);
  }
  return {};
}

bool Channel::can_be_unmapped() const {
  return core_->state() == Core::State::kClosed || is_stopped_.load() ||
         (core_->is_broken() && std::popcount(ended_.load()) == static_cast<int>(core_->workers()));
}

void Channel::add_to(krepis::ApplicationMemory& memory) const {
  memory.channels += core_->is_open() ? 1 : 0;
  memory.region_bytes += core_->layout.bytes;
  memory.parked_bytes += core_->parked_bytes.load(std::memory_order_relaxed);
  memory.spare_bytes += core_->write_buffers.kept_bytes();
  for (std::size_t i = 0; i < core_->workers(); ++i) {
    const std::uint64_t free = core_->free_blocks[i].load(std::memory_order_relaxed);
    memory.arena_used_bytes += (core_->layout.blocks_per_worker - free) * kBlockBytes;
    memory.events_waiting += core_->backlogs[i].load(std::memory_order_relaxed);
    Mailbox& mailbox = core_->mailboxes[i];
    memory.mail_bytes += mailbox.taken_memory_bytes.load(std::memory_order_relaxed);
    const std::lock_guard lock(mailbox.mutex);
    memory.mail_bytes += mailbox.mail.memory_bytes();
  }
}

Outcome Channel::measure(Figures& figures) {
  if (core_->state() == Core::State::kClosed) {
    return check_open();
  }
  figures.connections = core_->connections.load(std::memory_order_relaxed);
  figures.streams = core_->streams.load(std::memory_order_relaxed);
  figures.arena_blocks = core_->layout.blocks_per_worker * core_->workers();
  figures.arena_blocks_used = figures.arena_blocks;
  for (std::size_t i = 0; i < core_->workers(); ++i) {
    figures.events += core_->rings[i].published();
    figures.backlog_events += core_->backlogs[i].load(std::memory_order_relaxed);
    figures.arena_blocks_used -= core_->free_blocks[i].load(std::memory_order_relaxed);
  }
  figures.parked_bytes = core_->parked_bytes.load(std::memory_order_relaxed);
  figures.queued_bytes = core_->queued_bytes.load(std::memory_order_relaxed);
  figures.wakeups = core_->wake.wakeups();
  figures.datagrams_dropped = core_->datagrams_dropped.load(std::memory_order_relaxed);
  return {};
}

}  // namespace knul::channel
