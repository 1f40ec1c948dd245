// The functions of a channel for the program's threads. krepis/channel.h documents each of them.
#pragma once

#include <krepis/krepis.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "channel/connection_facts.hpp"
#include "channel/core.hpp"

namespace knul::channel {

class Hub;
class WorkerPart;

// The largest error code of an application. RFC 9000 §16.
inline constexpr std::uint64_t kLargestCode = (std::uint64_t{1} << 62) - 1;

// A number or an error. The error text is constant, because programs make these calls often.
struct Outcome {
  static Outcome of(std::int32_t number) { return {number, krepis::ErrorCode::kSuccess, nullptr}; }
  static Outcome refuse(krepis::ErrorCode code, const char* why) { return {0, code, why}; }
  [[nodiscard]] bool is_refused() const { return code != krepis::ErrorCode::kSuccess; }

  std::int32_t number = 0;
  krepis::ErrorCode code = krepis::ErrorCode::kSuccess;
  const char* why = nullptr;
};

struct DatagramSend {
  std::uint32_t policy = 0;  // a KrepisDatagramPolicy with flags
  std::uint32_t expires_ms = 0;
  std::uint32_t context = 0;
};

struct StreamFacts {
  std::optional<std::uint64_t> id;
  std::uint32_t connection = 0;
  bool is_unidirectional = false;
  bool is_opened_by_peer = false;
  std::uint32_t queued_bytes = 0;
};

struct Figures {
  std::uint64_t connections = 0, streams = 0, events = 0, backlog_events = 0, arena_blocks_used = 0,
                arena_blocks = 0, parked_bytes = 0, queued_bytes = 0, wakeups = 0, datagrams_dropped = 0;
};

// Thread: all functions from any thread. Lifetime: the program holds the channel until it unmaps the region,
// each worker until it has closed the channel's connections, the log's thread while it delivers a message.
class Channel {
 public:
  Channel(std::unique_ptr<Core> core, std::weak_ptr<Hub> hub);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] bool is_open() const { return core_->is_open(); }
  void describe(FfiChannelRegion& region);  // call once: the program then owns the wake descriptor
  [[nodiscard]] int library_end() const { return core_->wake.library_end(); }
  // Counts a call as activity of the program. The ABI does not count queries.
  void count_call() {
    core_->calls.store(core_->calls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  Outcome arm();
  Outcome wait(std::uint32_t timeout_ms);
  Outcome release(std::span<const std::uint32_t> offsets);
  Outcome flush();
  Outcome close();
  [[nodiscard]] bool can_be_unmapped() const;
  Outcome measure(Figures& figures);
  // Adds the memory of this channel to `memory`.
  void add_to(krepis::ApplicationMemory& memory) const;

  Outcome open_stream(std::uint32_t connection, krepis::StreamDirection direction);
  Outcome write(std::uint32_t stream, std::span<const std::uint8_t> bytes, std::uint32_t flags);
  Outcome reset(std::uint32_t stream, std::uint64_t code);
  Outcome stop_sending(std::uint32_t stream, std::uint64_t code);
  Outcome set_priority(std::uint32_t stream, std::uint32_t urgency, std::uint32_t incremental);
  Outcome describe_stream(std::uint32_t stream, StreamFacts& facts);
  Outcome send_datagram(std::uint32_t connection, std::span<const std::uint8_t> bytes,
                        const DatagramSend& send);
  Outcome close_connection(std::uint32_t connection, std::uint64_t code, std::string_view reason);
  Outcome describe_connection(std::uint32_t connection, ConnectionFacts& facts);

  // Queues a message of the log for the program. False: the program reads too slowly, or the channel is not
  // open. A queued message can still be lost: see Settings::on_log_messages_lost. Thread: the log's.
  bool put_log(std::uint8_t level, std::string_view json);

  // --- The workers' side.
  [[nodiscard]] Core& core() { return *core_; }
  // Thread: the worker's.
  WorkerPart& begin_worker(unsigned index, krepis::Worker& worker);
  void end_worker(unsigned index);
  // Thread: any, after all workers have ended.
  void publish_stopped(std::uint32_t code, std::string_view report);

 private:
  // An entry and the lock of its worker's mailbox.
  struct LockedEntry {
    Entry* entry = nullptr;
    Mailbox* mailbox = nullptr;
    std::size_t worker = 0;
    std::unique_lock<std::mutex> lock;
    Outcome refusal;
  };
  // Locks the mailbox of a stream or connection and reserves memory for the call: see Mailbox::make_room.
  // Throws std::bad_alloc before anything has changed.
  LockedEntry lock_entry(std::uint32_t handle, Entry::Kind kind, std::size_t copied_bytes = 0);
  Outcome command_stream(const Command& command, std::uint32_t side, std::uint32_t once);
  [[nodiscard]] bool count_write(const LockedEntry& locked);
  [[nodiscard]] krepis::SharedBytes copy_large(std::uint32_t stream,
                                               std::span<const std::uint8_t> bytes) const;
  // The bytes that a write on the stream would accept. An estimate without the lock of its mailbox.
  [[nodiscard]] std::uint64_t room_of(const Entry& stream) const;
  // The connection of a stream. Null: the connection has ended.
  [[nodiscard]] Entry* connection_of(const Entry& stream) const;
  std::uint64_t take_room(Entry& stream, std::uint64_t wanted);
  std::uint32_t queue(LockedEntry& locked, std::span<const std::uint8_t> bytes,
                      const krepis::SharedBytes& copy, krepis::Fin fin);
  // Lets a later call notify the worker: flush, release, or a call with notify_worker.
  void postpone_notification(std::size_t worker);
  // Notifies the worker and those whose notification was postponed.
  void notify_worker(std::size_t worker);
  void notify_postponed();
  // Notifies each worker that waits for its ring's head if the program has moved it. Publishes the events of
  // workers that have ended.
  void check_heads();
  [[nodiscard]] bool has_events() const;
  [[nodiscard]] bool has_last_event() const;
  // Refuses if the channel is not open.
  [[nodiscard]] Outcome check_open() const;

  std::unique_ptr<Core> core_;
  std::weak_ptr<Hub> hub_;
  // The workers whose notification was postponed, as bits.
  std::atomic<std::uint64_t> postponed_{0};
  std::mutex end_mutex_;  // guards workers_ after they have ended
  std::vector<std::unique_ptr<WorkerPart>> workers_;
  std::atomic<std::uint64_t> ended_{0};  // workers that have ended, as bits
  std::atomic<bool> is_stopped_{false};
};

}  // namespace knul::channel
