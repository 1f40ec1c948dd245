// The program's calls on streams. A call checks and queues a command; the worker runs it.
#include <algorithm>

#include "channel/channel.hpp"

namespace knul::channel {
namespace {

using krepis::ErrorCode;
using krepis::Fin;
using Kind = Entry::Kind;

constexpr std::uint32_t kLargestLength = 1U << 30;
constexpr std::size_t kSmallWrite = 2 << 10;  // smaller writes go into Mail::bytes, others into a buffer
// Writes to one connection before its worker's next turn, 40 bytes each. Further ones accept no bytes.
constexpr std::uint32_t kMostWritesAhead = 4'096;

Outcome bad_code() {
  return Outcome::refuse(ErrorCode::kInvalidRequest,
                         "code is above 2^62 - 1, the largest error code of RFC 9000");
}

}  // namespace

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

}  // namespace knul::channel
