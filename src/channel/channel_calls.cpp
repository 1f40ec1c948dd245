// The program's calls on streams and connections. A call checks and queues a command; the worker runs it.
#include <algorithm>

#include "channel/channel.hpp"

namespace knul::channel {
namespace {

using krepis::ErrorCode;
using krepis::Fin;
using Kind = Entry::Kind;

constexpr std::uint64_t kLargestCode = (std::uint64_t{1} << 62) - 1;
constexpr std::uint32_t kLargestLength = 1U << 30;
constexpr std::uint32_t kMostWaitingOpens = 1'024;
constexpr std::size_t kMostDatagramBytes = 65'527;  // the maximum UDP payload; longer ones are refused
constexpr std::size_t kSmallWrite = 2 << 10;  // smaller writes go into Mail::bytes, others into a buffer
// Writes to one connection before its worker's next turn, 40 bytes each. Further ones accept no bytes.
constexpr std::uint32_t kMostWritesAhead = 4'096;
// The limit of queued datagrams with policies other than block, in multiples of datagram_queue.
constexpr std::uint32_t kDatagramQueuesAhead = 16;

Outcome no_such(Kind kind) {
  return Outcome::refuse(ErrorCode::kInvalidPointer,
                         kind == Kind::kStream ? "no such stream" : "no such connection");
}

Outcome bad_code() {
  return Outcome::refuse(ErrorCode::kInvalidRequest,
                         "code is above 2^62 - 1, the largest error code of RFC 9000");
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

Outcome Channel::write(std::uint32_t stream, std::span<const std::uint8_t> bytes, std::uint32_t flags) {
  if ((flags & ~(KREPIS_WRITE_FIN | KREPIS_WRITE_LATER)) != 0 || bytes.size() > kLargestLength) {
    return Outcome::refuse(ErrorCode::kInvalidRequest, "flags has unknown bits, or length is above 2^30");
  }
  const krepis::SharedBytes copy = copy_large(stream, bytes);
  LockedEntry locked =
      lock_entry(stream, Kind::kStream, copy.owner != nullptr ? 0 : std::min(bytes.size(), kSmallWrite));
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  if (!locked.entry->has(Entry::kCanSend)) {
    return Outcome::refuse(ErrorCode::kInvalidRequest, "the stream is receive-only");
  }
  if (locked.entry->has(Entry::kIsSendClosed)) {
    return Outcome::refuse(ErrorCode::kInvalidContext, "the stream's sending side has ended");
  }
  const Fin fin = (flags & KREPIS_WRITE_FIN) != 0 ? Fin::kYes : Fin::kNo;
  const std::uint32_t taken = queue(locked, bytes, copy, fin);
  locked.lock.unlock();
  if ((flags & KREPIS_WRITE_LATER) != 0) {
    postpone_notification(locked.worker);
  } else {
    notify_worker(locked.worker);
  }
  return Outcome::of(static_cast<std::int32_t>(taken));
}

Entry* Channel::connection_of(const Entry& stream) const {
  Entry* const connection = core_->table.find(stream.connection.load(std::memory_order_relaxed));
  return connection != nullptr && !connection->has(Entry::kHasEnded) ? connection : nullptr;
}

std::uint64_t Channel::room_of(const Entry& stream) const {
  const Entry* const connection = connection_of(stream);
  const std::uint64_t queued = stream.queued.load(std::memory_order_relaxed);
  const std::uint64_t limit = core_->settings.queue_bytes;
  const std::uint64_t of_stream = limit - std::min(limit, queued);
  return connection == nullptr
             ? of_stream
             : std::min(of_stream, core_->server->writes.room_of(usage_of(stream, *connection)));
}

// Thread: with the lock of the stream's mailbox. The bytes do not count for a connection that has ended,
// because the worker discards them.
std::uint64_t Channel::take_room(Entry& stream, std::uint64_t wanted) {
  const std::uint64_t queued = stream.queued.load(std::memory_order_relaxed);
  const std::uint64_t limit = core_->settings.queue_bytes;
  std::uint64_t taken = std::min(wanted, limit - std::min(limit, queued));
  if (Entry* const connection = connection_of(stream)) {
    taken = core_->server->writes.take(usage_of(stream, *connection), taken);
    connection->held_bytes.fetch_add(taken, std::memory_order_relaxed);
  }
  stream.queued.fetch_add(static_cast<std::uint32_t>(taken), std::memory_order_relaxed);
  core_->queued_bytes.fetch_add(taken, std::memory_order_relaxed);
  return taken;
}

// Copies before the mailbox is locked, so that the worker does not wait for a large copy. Another thread's
// write may reduce the room meanwhile. queue() checks it under the lock and may use only a part of the copy.
krepis::SharedBytes Channel::copy_large(std::uint32_t stream, std::span<const std::uint8_t> bytes) const {
  const Entry* const entry = bytes.size() < kSmallWrite ? nullptr : core_->table.find(stream);
  if (entry == nullptr) {
    return {};
  }
  const std::size_t fits = std::min<std::uint64_t>(bytes.size(), room_of(*entry));
  if (fits < kSmallWrite) {
    return {};
  }
  return core_->write_buffers.copy(bytes.first(fits));
}

std::uint32_t Channel::queue(LockedEntry& locked, std::span<const std::uint8_t> bytes,
                             const krepis::SharedBytes& copy, Fin fin) {
  Entry& entry = *locked.entry;
  const std::size_t prepared = copy.owner != nullptr ? copy.bytes.size() : kSmallWrite - 1;
  const bool may_write = bytes.empty() || count_write(locked);
  const std::size_t taken = may_write ? take_room(entry, std::min(bytes.size(), prepared)) : 0;
  const std::uint32_t handle = entry.handle.load(std::memory_order_relaxed);
  const Fin accepted_fin = taken == bytes.size() ? fin : Fin::kNo;
  if (copy.owner != nullptr && taken > 0) {
    locked.mailbox->write_shared(handle, {copy.owner, copy.bytes.first(taken)}, accepted_fin);
  } else if (taken > 0 || accepted_fin == Fin::kYes) {
    locked.mailbox->write(handle, bytes.first(taken), accepted_fin);
  }
  if (accepted_fin == Fin::kYes) {
    entry.add(Entry::kIsSendClosed);
  }
  if (taken < bytes.size() && !entry.has(Entry::kAwaitsWritable)) {
    entry.add(Entry::kAwaitsWritable);
    Command command;
    command.kind = Command::Kind::kWantWritable;
    command.handle = handle;
    locked.mailbox->add(command);
  }
  return static_cast<std::uint32_t>(taken);
}

// Counts a write. False: the stream's connection may have no more writes before its worker's next turn.
// Thread: with the lock of the stream's mailbox.
bool Channel::count_write(const LockedEntry& locked) {
  Entry* const connection = connection_of(*locked.entry);
  if (connection == nullptr) {
    return false;  // the connection has ended
  }
  if (std::exchange(connection->writes_turn, locked.mailbox->turn) != locked.mailbox->turn) {
    connection->writes = 0;
  }
  return connection->writes < kMostWritesAhead && ++connection->writes > 0;
}

// Queues the command and sets the flag `once`. Does nothing if the flag is set already.
Outcome Channel::command_stream(const Command& command, std::uint32_t side, std::uint32_t once) {
  LockedEntry locked = lock_entry(command.handle, Kind::kStream);
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  if (side != 0 && !locked.entry->has(side)) {
    return Outcome::refuse(ErrorCode::kInvalidRequest, side == Entry::kCanSend ? "the stream is receive-only"
                                                                               : "the stream is send-only");
  }
  if (locked.entry->has(once)) {
    return {};
  }
  locked.entry->add(once | (once == Entry::kIsReset ? Entry::kIsSendClosed : 0));
  locked.mailbox->add(command);
  locked.lock.unlock();
  notify_worker(locked.worker);
  return {};
}

Outcome Channel::reset(std::uint32_t stream, std::uint64_t code) {
  if (code > kLargestCode) {
    return bad_code();
  }
  Command command;
  command.kind = Command::Kind::kReset;
  command.handle = stream;
  command.code = code;
  return command_stream(command, Entry::kCanSend, Entry::kIsReset);
}

Outcome Channel::stop_sending(std::uint32_t stream, std::uint64_t code) {
  if (code > kLargestCode) {
    return bad_code();
  }
  Command command;
  command.kind = Command::Kind::kStopSending;
  command.handle = stream;
  command.code = code;
  return command_stream(command, Entry::kCanReceive, Entry::kIsStopped);
}

Outcome Channel::set_priority(std::uint32_t stream, std::uint32_t urgency, std::uint32_t incremental) {
  if (urgency > 7 || incremental > 1) {
    return Outcome::refuse(ErrorCode::kInvalidRequest, "urgency is above 7, or incremental is above 1");
  }
  Command command;
  command.kind = Command::Kind::kPriority;
  command.handle = stream;
  LockedEntry locked = lock_entry(stream, Kind::kStream);
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  // The worker reads only the last priority.
  if (locked.entry->requested_priority.exchange(PackedPriority{urgency, incremental}.value()) == 0) {
    locked.mailbox->add(command);
  }
  locked.lock.unlock();
  notify_worker(locked.worker);
  return {};
}

Outcome Channel::describe_stream(std::uint32_t stream, StreamFacts& facts) {
  const LockedEntry locked = lock_entry(stream, Kind::kStream);
  if (locked.entry == nullptr) {
    return locked.refusal;
  }
  const std::uint64_t id = locked.entry->stream_id.load(std::memory_order_relaxed);
  if (id != Entry::kNoStreamId) {
    facts.id = id;
  }
  facts.connection = locked.entry->connection.load(std::memory_order_relaxed);
  facts.is_unidirectional = locked.entry->has(Entry::kIsUnidirectional);
  facts.is_opened_by_peer = locked.entry->has(Entry::kIsOpenedByPeer);
  facts.queued_bytes = locked.entry->queued.load(std::memory_order_relaxed);
  return {};
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
