// Connections and streams by handle: a slot in the low 20 bits and a generation of 11 bits above.
//
// The idea: entries stay at their address in chunks that are made when needed, so any thread may look at one
// at any time. A chunk belongs to one partition (each worker has one, the program another), which gives out
// and takes back the chunk's slots. A slot waits behind all other free ones of its partition before it is
// used again, so a stale handle meets the same generation only after 2,047 rounds of that queue.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "channel/write_budget.hpp"

namespace knul::channel {

// What a worker keeps for an entry.
struct WorkerObject {
  WorkerObject() = default;
  WorkerObject(const WorkerObject&) = delete;
  WorkerObject& operator=(const WorkerObject&) = delete;
  virtual ~WorkerObject() = default;
};

// As a program sets it: never 0.
class PriorityOrder {
 public:
  PriorityOrder(std::uint32_t urgency, std::uint32_t incremental)
      : value_(kIsSet | urgency << 1 | incremental) {}
  explicit PriorityOrder(std::uint32_t value) : value_(value) {}

  [[nodiscard]] std::uint32_t value() const { return value_; }
  [[nodiscard]] bool is_set() const { return value_ != 0; }
  [[nodiscard]] std::uint8_t urgency() const { return value_ >> 1 & 7; }
  [[nodiscard]] bool is_incremental() const { return (value_ & 1) != 0; }

 private:
  static constexpr std::uint32_t kIsSet = 16;
  std::uint32_t value_;
};

// A connection's figures, for the program.
struct ConnectionFacts;

// Invariant: handle becomes 0 only under the lock of its worker's mailbox, so whoever holds that lock and has
// seen the handle may use the entry until the lock is dropped.
struct alignas(64) Entry {
  static constexpr std::uint32_t kIsStream = 1;
  static constexpr std::uint32_t kIsVoid = 2;  // its end was told; waits for the program to read that
  static constexpr std::uint32_t kCanSend = 4;
  static constexpr std::uint32_t kCanReceive = 8;
  static constexpr std::uint32_t kIsSendOver = 16;  // a FIN was taken, or the sending side was reset
  static constexpr std::uint32_t kIsOpenedByPeer = 32;
  static constexpr std::uint32_t kIsUnidirectional = 64;
  static constexpr std::uint32_t kAwaitsWritable = 128;  // the worker was asked to say when there is room
  // Requests of the program that are queued once. The same request again has no effect.
  static constexpr std::uint32_t kIsReset = 256;
  static constexpr std::uint32_t kIsStopped = 512;
  static constexpr std::uint32_t kIsClosing = 1'024;
  static constexpr std::uint32_t kAwaitsDatagramWritable = 2'048;
  static constexpr std::uint64_t kNoStreamId = ~std::uint64_t{0};

  [[nodiscard]] bool has(std::uint32_t flag) const {
    return (flags.load(std::memory_order_relaxed) & flag) != 0;
  }
  void add(std::uint32_t flag) { flags.fetch_or(flag, std::memory_order_relaxed); }
  void remove(std::uint32_t flag) { flags.fetch_and(~flag, std::memory_order_relaxed); }

  std::atomic<std::uint32_t> handle{0};
  std::atomic<std::uint32_t> flags{0};
  std::atomic<std::uint32_t> worker{0};
  // A stream's bytes that its connection has not taken; a connection's datagrams.
  std::atomic<std::uint32_t> queued{0};
  std::atomic<std::uint32_t> waiting_opens{0};  // of a connection
  std::atomic<std::uint32_t> max_datagram_bytes{0};
  std::atomic<std::uint32_t> connection{0};  // of a stream
  std::uint32_t generation = 0;              // Thread: under the partition's lock
  std::uint32_t next_free = 0;               // the same
  std::uint32_t partition = 0;               // fixed, as is the next
  std::uint32_t slot = 0;
  std::atomic<std::uint64_t> stream_id{kNoStreamId};
  // Of a connection: bytes of its streams and datagrams that it has not taken, as counted in the WriteBudget.
  // Thread: added to under the lock of its worker's mailbox, and only while the entry is not void.
  std::atomic<std::uint64_t> held_bytes{0};
  // Of a connection: how many held_bytes its congestion window allows. Thread: the worker writes it.
  std::atomic<std::uint64_t> allowance{WriteBudget::kAllowanceBytes};
  // Of a stream: the priority that its worker is to set, or 0.
  std::atomic<std::uint32_t> priority_order{0};
  // Of a connection: writes of its streams since that turn of its worker. Thread: as for facts.
  std::uint32_t writes = 0;
  std::uint64_t writes_turn = 0;
  std::unique_ptr<ConnectionFacts> facts;  // Thread: under the lock of the worker's mailbox
  std::unique_ptr<WorkerObject> object;    // Thread: the worker's
};

// Of a stream and its connection.
inline WriteBudget::Waiting waiting_of(const Entry& stream, const Entry& connection) {
  return {connection.held_bytes.load(std::memory_order_relaxed),
          stream.queued.load(std::memory_order_relaxed),
          connection.allowance.load(std::memory_order_relaxed)};
}

// Bytes of a connection that lives are no longer held for it.
inline void give_back(Entry& connection, WriteBudget& writes, std::uint64_t bytes) {
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
  // An entry that is not to be found yet, or null when all slots are taken. May throw std::bad_alloc.
  [[nodiscard]] Entry* allocate(std::size_t partition);
  // Makes it known; the handle.
  std::uint32_t publish(Entry& entry);
  // Thread: under the lock of the worker's mailbox.
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
