// The program's calls on connections. A call checks and queues a command; the worker runs it.
#include "channel/channel.hpp"

namespace knul::channel {
namespace {

using krepis::ErrorCode;
using Kind = Entry::Kind;

constexpr std::uint32_t kMostWaitingOpens = 1'024;
constexpr std::size_t kMostDatagramBytes = 65'527;  // the maximum UDP payload; longer ones are refused
// The limit of queued datagrams with policies other than block, in multiples of datagram_queue.
constexpr std::uint32_t kDatagramQueuesAhead = 16;

Outcome no_such(Kind kind) {
  return Outcome::refuse(ErrorCode::kInvalidPointer,
                         kind == Kind::kStream ? "no such stream" : "no such connection");
}

}  // namespace

Channel::LockedEntry Channel::lock_entry(std::uint32_t handle, Kind kind, std::size_t copied_bytes) {
  LockedEntry locked;
  locked.refusal = check_open();
  if (locked.refusal.is_refused()) {
    return locked;
  }
  Entry* const entry = core_->table.find(handle);
  if (entry != nullptr) {
    locked.worker = entry->worker.load(std::memory_order_relaxed);
    locked.mailbox = &core_->mailboxes[locked.worker];
    locked.lock = std::unique_lock(locked.mailbox->mutex);
    // Before the lock was acquired, the object may have ended, and another one may have got its entry.
    if (entry->handle.load(std::memory_order_relaxed) == handle && !entry->has(Entry::kHasEnded) &&
        entry->kind() == kind && locked.mailbox->is_open) {
      locked.mailbox->make_room(copied_bytes);
      locked.entry = entry;
      return locked;
    }
    locked.lock.unlock();
  }
  locked.refusal = no_such(kind);
  return locked;
}

Outcome Channel::open_stream(std::uint32_t connection, krepis::StreamDirection direction) {
  LockedEntry locked = lock_entry(connection, Kind::kConnection);
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  if (locked.entry->waiting_opens.load(std::memory_order_relaxed) >= kMostWaitingOpens) {
    return Outcome::refuse(ErrorCode::kConcurrencyLimitExceeded,
                           "1,024 streams of this connection wait for the peer's stream limit, the maximum");
  }
  Entry* const entry = core_->table.allocate(core_->program_partition());
  if (entry == nullptr) {
    return Outcome::refuse(ErrorCode::kConcurrencyLimitExceeded,
                           "the channel has 2^20 connections and streams, the maximum");
  }
  const bool is_unidirectional = direction == krepis::StreamDirection::kUnidirectional;
  locked.entry->waiting_opens.fetch_add(1, std::memory_order_relaxed);
  entry->worker.store(static_cast<std::uint32_t>(locked.worker), std::memory_order_relaxed);
  entry->connection.store(connection, std::memory_order_relaxed);
  entry->add(Entry::kIsStream | Entry::kCanSend |
             (is_unidirectional ? Entry::kIsUnidirectional : Entry::kCanReceive));
  const std::uint32_t handle = core_->table.publish(*entry);
  Command command;
  command.kind = Command::Kind::kOpenStream;
  command.handle = handle;
  command.is_set = is_unidirectional;
  locked.mailbox->add(command);
  locked.lock.unlock();
  notify_worker(locked.worker);
  return Outcome::of(static_cast<std::int32_t>(handle));
}

Outcome Channel::send_datagram(std::uint32_t connection, std::span<const std::uint8_t> bytes,
                               const DatagramSend& send) {
  const std::uint32_t policy = send.policy & ~KREPIS_DATAGRAM_REPORT_FATE;
  if (policy > KREPIS_DATAGRAM_DROP_NEWEST) {
    return Outcome::refuse(ErrorCode::kInvalidRequest, "policy is not a KrepisDatagramPolicy");
  }
  LockedEntry locked =
      lock_entry(connection, Kind::kConnection, bytes.size() <= kMostDatagramBytes ? bytes.size() : 0);
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  if (bytes.empty() || bytes.size() > locked.entry->max_datagram_bytes.load(std::memory_order_relaxed)) {
    return Outcome::refuse(ErrorCode::kInvalidRequest,
                           "length is not 1 to max_datagram_bytes, or the peer does not accept datagrams");
  }
  const bool blocks = policy == KREPIS_DATAGRAM_BLOCK;
  const std::uint32_t limit = core_->settings.datagram_queue * (blocks ? 1 : kDatagramQueuesAhead);
  Command command;
  command.handle = connection;
  const std::uint32_t queued = locked.entry->queued.load(std::memory_order_relaxed);
  // An empty queue accepts any datagram. So after a refusal other datagrams are queued. With the policy
  // block, DATAGRAM_WRITABLE follows when they have left the queue.
  WriteBudget& budget = core_->server->writes;
  const bool is_full =
      queued >= limit ||
      (queued > 0 && budget.room_of(locked.entry->held_bytes.load(std::memory_order_relaxed)) < bytes.size());
  if (!is_full) {
    locked.entry->held_bytes.fetch_add(budget.take(0, bytes.size(), bytes.size()), std::memory_order_relaxed);
    command.kind = Command::Kind::kDatagram;
    command.option = static_cast<std::uint8_t>(policy);
    command.is_set = (send.policy & KREPIS_DATAGRAM_REPORT_FATE) != 0;
    command.expires_ms = send.expires_ms;
    command.context = send.context;
    locked.entry->queued.fetch_add(1, std::memory_order_relaxed);
    locked.mailbox->add_with_bytes(command, bytes);
  } else if (blocks) {
    if (!locked.entry->has(Entry::kAwaitsDatagramWritable)) {
      locked.entry->add(Entry::kAwaitsDatagramWritable);
      command.kind = Command::Kind::kWantDatagramWritable;
      locked.mailbox->add(command);
    }
  } else {
    core_->datagrams_dropped.fetch_add(1, std::memory_order_relaxed);
    core_->server->datagrams_dropped.fetch_add(1, std::memory_order_relaxed);
  }
  locked.lock.unlock();
  notify_worker(locked.worker);
  return Outcome::of(is_full ? 0 : 1);
}

Outcome Channel::close_connection(std::uint32_t connection, std::uint64_t code, std::string_view reason) {
  constexpr std::size_t kLongestReason = 1'024;
  if (code > kLargestCode || reason.size() > kLongestReason) {
    return Outcome::refuse(ErrorCode::kInvalidRequest,
                           "code is above 2^62 - 1, or reason_length is above 1,024");
  }
  LockedEntry locked = lock_entry(connection, Kind::kConnection, reason.size());
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  if (locked.entry->has(Entry::kIsClosing)) {
    return {};  // the first call decides the code and the reason
  }
  locked.entry->add(Entry::kIsClosing);
  Command command;
  command.kind = Command::Kind::kCloseConnection;
  command.handle = connection;
  command.code = code;
  locked.mailbox->add_with_bytes(command,
                                 {reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size()});
  locked.lock.unlock();
  notify_worker(locked.worker);
  return {};
}

// Also succeeds after the end of the connection, because the facts stay until the entry is free.
Outcome Channel::describe_connection(std::uint32_t connection, ConnectionFacts& facts) {
  if (const Outcome outcome = check_open(); outcome.is_refused()) {
    return outcome;
  }
  if (Entry* const entry = core_->table.find(connection)) {
    const std::lock_guard lock(core_->mailboxes[entry->worker.load(std::memory_order_relaxed)].mutex);
    if (entry->handle.load(std::memory_order_relaxed) == connection && entry->facts != nullptr) {
      facts = *entry->facts;
      return {};
    }
  }
  return no_such(Kind::kConnection);
}

}  // namespace knul::channel
