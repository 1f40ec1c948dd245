// The state of one channel that the program's threads and the workers share.
#pragma once

#include <krepis/krepis.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "channel/arena_part.hpp"
#include "channel/event_ring.hpp"
#include "channel/handle_table.hpp"
#include "channel/mailbox.hpp"
#include "channel/region_layout.hpp"
#include "channel/wake_signal.hpp"
#include "channel/worker_link.hpp"
#include "channel/write_budget.hpp"
#include "channel/write_buffers.hpp"
#include "posix/mapping.hpp"

namespace knul::channel {

struct Settings {
  std::size_t arena_bytes = 64 << 20;
  std::size_t ring_records = 4'096;
  std::uint32_t queue_bytes = 1 << 20;  // for one stream
  WakeKind wake = WakeKind::kNone;
  std::string wake_path;
  std::uint32_t datagram_queue = 256;                  // for one connection
  std::chrono::milliseconds consumer_timeout{10'000};  // kNoConsumerTimeout: no limit
  // Called when messages of the log are lost that Channel::put_log had accepted. Thread: any. May be null.
  void (*on_log_messages_lost)(std::uint64_t count) noexcept = nullptr;

  static constexpr std::chrono::milliseconds kNoConsumerTimeout{KREPIS_CONSUMER_TIMEOUT_NEVER};
};

// Lifetime: until neither the program nor a worker holds the channel.
struct Core {
  enum class State : std::uint8_t {
    kOpen,
    // In the next three states the library has broken the channel, and the workers close its connections.
    kInvalidHead,  // the program stored an invalid ring head
    kTimedOut,     // the program read no events for settings.consumer_timeout
    kHungUp,       // the program closed its end of the wake socket
    kClosed,       // the program closed the channel
  };
  using Granule = std::atomic<std::uint8_t>;  // 1: a published, unreleased range starts there

  static krepis::Result<std::unique_ptr<Core>> create(
      Settings settings, std::vector<std::shared_ptr<WorkerLink>> links,
      std::shared_ptr<ServerShare> server = std::make_shared<ServerShare>());
  ~Core();

  [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }
  [[nodiscard]] bool is_open() const { return state() == State::kOpen; }
  // False: the channel was not open.
  bool change_state(State to) {
    State open = State::kOpen;
    return state_.compare_exchange_strong(open, to);
  }
  void force_closed() { state_.store(State::kClosed); }
  // True if the library broke the channel. The program may still read the rings.
  [[nodiscard]] bool is_broken() const {
    const State now = state();
    return now != State::kOpen && now != State::kClosed;
  }
  // Thread: any. Changes whenever the program calls a function of the channel or moves a head.
  [[nodiscard]] std::uint64_t activity() const;
  // True if the program reads its events within a second, see EventRing::is_behind.
  [[nodiscard]] bool keeps_up(std::chrono::nanoseconds now) const;

  [[nodiscard]] std::uint8_t* arena() const { return region.data() + layout.arena_offset; }
  [[nodiscard]] Granule* granules() const { return reinterpret_cast<Granule*>(granule_memory.data()); }
  [[nodiscard]] RangeOwner* owners() const { return reinterpret_cast<RangeOwner*>(owner_memory.data()); }
  [[nodiscard]] std::size_t workers() const { return links.size(); }
  // The partition of the program's own streams.
  [[nodiscard]] std::size_t program_partition() const { return links.size(); }

  void count_lost_log_messages(std::uint64_t count) noexcept {
    if (count > 0 && settings.on_log_messages_lost != nullptr) {
      settings.on_log_messages_lost(count);
    }
  }

  // Wakes a worker to read its mailbox, unless it is notified and has not read the mailbox since.
  void notify_worker(std::size_t worker);
  void notify_workers();

  const Settings settings;
  const RegionLayout layout;
  const std::vector<std::shared_ptr<WorkerLink>> links;
  const std::shared_ptr<ServerShare> server;
  const posix::Mapping region;
  const posix::Mapping granule_memory;
  const posix::Mapping owner_memory;
  HandleTable table;
  std::vector<Mailbox> mailboxes;
  std::deque<EventRing> rings;  // a deque, because an EventRing cannot move
  // By worker: true while it waits for the program to advance the head of its ring.
  std::vector<std::atomic<bool>> waits_for_head;
  WakeSignal wake;
  WriteBuffers write_buffers;

  std::atomic<bool> is_draining{false};
  std::atomic<std::uint64_t> parked_bytes{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> streams{0};
  // Thread: the program's threads, without a lock. A lost increment does no harm, because the other thread's
  // increment also shows that the program is alive.
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> datagrams_dropped{0};
  std::atomic<std::uint64_t> queued_bytes{0};           // by all streams
  std::vector<std::atomic<std::uint32_t>> backlogs;     // by worker, for krepis_channel_info_into
  std::vector<std::atomic<std::uint32_t>> free_blocks;  // by worker, in the arena

 private:
  Core(Settings given, const RegionLayout& planned, std::vector<std::shared_ptr<WorkerLink>> to_workers,
       std::shared_ptr<ServerShare> of_server, posix::Mapping region_memory, posix::Mapping granule_bytes,
       posix::Mapping owner_bytes);

  std::atomic<State> state_{State::kOpen};
};

}  // namespace knul::channel
