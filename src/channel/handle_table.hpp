// Connections and streams by handle: a slot in the low 20 bits and a generation in the 11 bits above.
//
// The idea: entries are in chunks that are allocated on demand and never move, so any thread may read an
// entry at any time. Each chunk belongs to one partition, and each partition has a queue of free slots. Each
// worker has a partition, and the program has another. A freed slot goes to the end of the queue. Weak case:
// a stale handle names a new object after its slot was used 2,047 more times.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "channel/write_budget.hpp"

namespace knul::channel {

// Base of the state that a worker keeps for an entry.
struct WorkerObject {
  WorkerObject() = default;
  WorkerObject(const WorkerObject&) = delete;
  WorkerObject& operator=(const WorkerObject&) = delete;
  virtual ~WorkerObject() = default;
};

// A stream's priority in one word. The word is never 0 for a priority that a program has set.
class PackedPriority {
 public:
  PackedPriority(std::uint32_t urgency, std::uint32_t incremental)
      : value_(kIsSet | urgency << 1 | incremental) {}
  explicit PackedPriority(std::uint32_t value) : value_(value) {}

  [[nodiscard]] std::uint32_t value() const { return value_; }
  [[nodiscard]] bool is_set() const { return value_ != 0; }
  [[nodiscard]] std::uint8_t urgency() const { return value_ >> 1 & 7; }
  [[nodiscard]] bool is_incremental() const { return (value_ & 1) != 0; }

 private:
  static constexpr std::uint32_t kIsSet = 16;
  std::uint32_t value_;
};

// The properties of a connection (connection_facts.hpp).
struct ConnectionFacts;

// Invariant: handle becomes 0 only under the lock of its worker's mailbox. A thread that holds that lock and
// has read the handle may use the entry until it releases the lock.
struct alignas(64) Entry {
  enum class Kind : bool { kConnection, kStream };
  static constexpr std::uint32_t kIsStream = 1;
  static constexpr std::uint32_t kHasEnded = 2;  // the handle is stale: calls of the program refuse it
  static constexpr std::uint32_t kCanSend = 4;
  static constexpr std::uint32_t kCanReceive = 8;
  static constexpr std::uint32_t kIsSendClosed = 16;  // a FIN was accepted, or the sending side was reset
  static constexpr std::uint32_t kIsOpenedByPeer = 32;
  static constexpr std::uint32_t kIsUnidirectional = 64;
  static constexpr std::uint32_t kAwaitsWritable = 128;  // STREAM_WRITABLE follows when there is room
  // The program made this request. A second request has no effect.
  static constexpr std::uint32_t kIsReset = 256;
  static constexpr std::uint32_t kIsStopped = 512;
  static constexpr std::uint32_t kIsClosing = 1'024;
  static constexpr std::uint32_t kAwaitsDatagramWritable = 2'048;
  static constexpr std::uint64_t kNoStreamId = ~std::uint64_t{0};

  [[nodiscard]] bool has(std::uint32_t flag) const {
    return (flags.load(std::memory_order_relaxed) & flag) != 0;
  }
  [[nodiscard]] Kind kind() const { return has(kIsStream) ? Kind::kStream : Kind::kConnection; }
  void add(std::uint32_t flag) { flags.fetch_or(flag, std::memory_order_relaxed); }
  void remove(std::uint32_t flag) { flags.fetch_and(~flag, std::memory_order_relaxed); }

  std::atomic<std::uint32_t> handle{0};
  std::atomic<std::uint32_t> flags{0};
  std::atomic<std::uint32_t> worker{0};
  // Bytes of a stream, or datagrams of a connection, that the connection has not accepted yet.
  std::atomic<std::uint32_t> queued{0};
  std::atomic<std::uint32_t> waiting_opens{0};  // a connection's streams that are not open yet
  std::atomic<std::uint32_t> max_datagram_bytes{0};
  std::atomic<std::uint32_t> connection{0};  // the handle of a stream's connection
  std::uint32_t generation = 0;              // Thread: under the partition's lock
  std::uint32_t next_free = 0;               // Thread: under the partition's lock
  std::uint32_t partition = 0;               // constant, like slot
  std::uint32_t slot = 0;
  std::atomic<std::uint64_t> stream_id{kNoStreamId};
  // The bytes of a connection's streams and datagrams that it has not accepted, as counted in WriteBudget.
  // Thread: grows only under the lock of its worker's mailbox, and only before kHasEnded is set.
  std::atomic<std::uint64_t> held_bytes{0};
  // The limit of a connection's held_bytes by its congestion window. Thread: written by the worker.
  std::atomic<std::uint64_t> allowance{WriteBudget::kAllowanceBytes};
  // A PackedPriority that the program has set for a stream and the worker has not applied. 0: none.
  std::atomic<std::uint32_t> requested_priority{0};
  // The number of writes to a connection's streams while Mailbox::turn is writes_turn. Thread: as for facts.
  std::uint32_t writes = 0;
  std::uint64_t writes_turn = 0;
  std::unique_ptr<ConnectionFacts> facts;  // Thread: under the lock of the worker's mailbox
  std::unique_ptr<WorkerObject> object;    // Thread: the worker's
};

// The input of WriteBudget for a write on the stream.
inline WriteBudget::Usage usage_of(const Entry& stream, const Entry& connection) {
  return {connection.held_bytes.load(std::memory_order_relaxed),
          stream.queued.load(std::memory_order_relaxed),
          connection.allowance.load(std::memory_order_relaxed)};
}

// Subtracts bytes from an open connection's held_bytes and releases them to the budget.
inline void release_held_bytes(Entry& connection, WriteBudget& writes, std::uint64_t bytes) {
  connection.held_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  writes.release(bytes);
}

class HandleTable {
 public:
  static constexpr std::uint32_t kSlotBits = 20;
  static constexpr std::uint32_t kLargestGeneration = (1U << (31 - kSlotBits)) - 1;

  explicit HandleTable(std::size_t partitions);
  ~HandleTable();
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  // Thread: any.
  [[nodiscard]] Entry* find(std::uint32_t handle) const {
    Entry* const entry = at(handle & kSlotMask);
    return entry != nullptr && handle != 0 && entry->handle.load(std::memory_order_acquire) == handle
               ? entry
               : nullptr;
  }
  // An entry that find() returns only after publish(). Null: all slots are in use. May throw std::bad_alloc.
  [[nodiscard]] Entry* allocate(std::size_t partition);
  // Makes the entry visible to find() and returns its handle.
  std::uint32_t publish(Entry& entry);
  // Frees the entry and its slot. Thread: under the lock of the worker's mailbox.
  void release(Entry& entry);

 private:
  static constexpr std::uint32_t kChunkBits = 10;
  static constexpr std::uint32_t kChunkEntries = 1U << kChunkBits;
  static constexpr std::uint32_t kChunks = 1U << (kSlotBits - kChunkBits);
  static constexpr std::uint32_t kSlotMask = (1U << kSlotBits) - 1;
  static constexpr std::uint32_t kNoSlot = ~0U;

  struct Partition {
    std::mutex mutex;
    std::uint32_t first_free = kNoSlot;
    std::uint32_t last_free = kNoSlot;
  };

  [[nodiscard]] Entry* at(std::uint32_t slot) const {
    Entry* const chunk = chunks_[slot >> kChunkBits].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : chunk + (slot & (kChunkEntries - 1));
  }
  bool add_chunk(std::uint32_t partition);
  void append_free(Partition& partition, std::uint32_t slot);

  std::mutex chunk_mutex_;
  std::vector<std::unique_ptr<Entry[]>> owned_;
  std::array<std::atomic<Entry*>, kChunks> chunks_{};
  std::vector<Partition> partitions_;
};

}  // namespace knul::channel
