// The unsent and unacknowledged bytes of one stream. Bytes keep their address from append to acknowledge,
// because the QUIC library points into them for retransmission.
#pragma once

#include <absl/container/inlined_vector.h>
#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "quic/memory/block_pool.hpp"

namespace knul::quic {

// Invariant: the chunks hold [acknowledged, acknowledged + size()). The first size() - unsent() bytes of them
// are in flight. Thread: one.
class SendBuffer {
 public:
  // Lifetime: `pool` outlives this object.
  explicit SendBuffer(BlockPool& pool) noexcept : chunks_(BlockAllocator<Chunk>(pool)) {}

  // Throws std::bad_alloc; the buffer then has accepted the first part of `bytes`, which size() counts.
  void append_copy(std::span<const std::uint8_t> bytes);
  // Keeps `owner` until the bytes are acknowledged. Lifetime: `owner` keeps the bytes alive and unchanged.
  void append_shared(std::shared_ptr<const void> owner, std::span<const std::uint8_t> bytes);

  struct Gathered {
    std::size_t entries = 0;
    std::size_t bytes = 0;
  };
  // Points `out` at the first unsent bytes, at least `enough_bytes` if there are as many. Returns the number
  // of filled entries and their bytes.
  [[nodiscard]] Gathered gather_unsent(std::span<ngtcp2_vec> out, std::size_t enough_bytes) const;
  void mark_sent(std::size_t bytes);
  void acknowledge(std::size_t bytes);
  void clear();

  [[nodiscard]] std::size_t size() const { return size_bytes_; }
  [[nodiscard]] std::size_t unsent() const { return unsent_bytes_; }

 private:
  struct Chunk {
    PooledBlock block;  // empty when shared
    std::shared_ptr<const void> owner;
    const std::uint8_t* data = nullptr;
    std::size_t length_bytes = 0;
  };

  [[nodiscard]] std::size_t copy_into_last_block(std::span<const std::uint8_t> bytes);
  void drop_front();

  // One chunk is stored inline, because most streams carry little data.
  absl::InlinedVector<Chunk, 1, BlockAllocator<Chunk>> chunks_;
  std::size_t head_ = 0;         // first live chunk
  std::size_t head_offset_ = 0;  // its acknowledged bytes
  std::size_t send_chunk_ = 0;   // chunk that holds the first unsent byte
  std::size_t send_offset_ = 0;  // offset of that byte in the chunk
  std::size_t size_bytes_ = 0;
  std::size_t unsent_bytes_ = 0;
};

}  // namespace knul::quic
