#include "channel/handle_table.hpp"

#include "channel/connection_facts.hpp"

namespace knul::channel {

HandleTable::HandleTable(std::size_t partitions) : partitions_(partitions) {}

HandleTable::~HandleTable() = default;

Entry* HandleTable::allocate(std::size_t index) {
  Partition& partition = partitions_[index];
  const std::lock_guard lock(partition.mutex);
  if (partition.first_free == kNoSlot && !add_chunk(static_cast<std::uint32_t>(index))) {
    return nullptr;
  }
  Entry& entry = *at(partition.first_free);
  partition.first_free = entry.next_free;
  if (partition.first_free == kNoSlot) {
    partition.last_free = kNoSlot;
  }
  entry.generation = entry.generation % kLargestGeneration + 1;
  return &entry;
}

std::uint32_t HandleTable::publish(Entry& entry) {
  const std::uint32_t handle = entry.generation << kSlotBits | entry.slot;
  entry.handle.store(handle, std::memory_order_release);
  return handle;
}

void HandleTable::release(Entry& entry) {
  entry.handle.store(0, std::memory_order_relaxed);
  entry.flags.store(0, std::memory_order_relaxed);
  entry.queued.store(0, std::memory_order_relaxed);
  entry.held_bytes.store(0, std::memory_order_relaxed);
  entry.allowance.store(WriteBudget::kAllowanceBytes, std::memory_order_relaxed);
  entry.waiting_opens.store(0, std::memory_order_relaxed);
  entry.max_datagram_bytes.store(0, std::memory_order_relaxed);
  entry.stream_id.store(Entry::kNoStreamId, std::memory_order_relaxed);
  entry.requested_priority.store(0, std::memory_order_relaxed);
  entry.writes = 0;
  entry.facts.reset();
  entry.object.reset();
  Partition& partition = partitions_[entry.partition];
  const std::lock_guard lock(partition.mutex);
  append_free(partition, entry.slot);
}

void HandleTable::append_free(Partition& partition, std::uint32_t slot) {
  at(slot)->next_free = kNoSlot;
  if (partition.last_free == kNoSlot) {
    partition.first_free = slot;
  } else {
    at(partition.last_free)->next_free = slot;
  }
  partition.last_free = slot;
}

bool HandleTable::add_chunk(std::uint32_t partition) {
  const std::lock_guard lock(chunk_mutex_);
  if (owned_.size() == kChunks) {
    return false;
  }
  const auto index = static_cast<std::uint32_t>(owned_.size());
  owned_.push_back(std::make_unique<Entry[]>(kChunkEntries));
  Entry* const chunk = owned_.back().get();
  for (std::uint32_t i = 0; i < kChunkEntries; ++i) {
    chunk[i].partition = partition;
    chunk[i].slot = index << kChunkBits | i;
  }
  chunks_[index].store(chunk, std::memory_order_release);
  for (std::uint32_t i = 0; i < kChunkEntries; ++i) {
    append_free(partitions_[partition], chunk[i].slot);
  }
  return true;
}

}  // namespace knul::channel
