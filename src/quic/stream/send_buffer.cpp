#include "quic/stream/send_buffer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace knul::quic {
namespace {

constexpr std::size_t kSmallestBlockBytes = 1'024;
constexpr std::size_t kLargestBlockBytes = BlockPool::kLargestBytes;

}  // namespace

void SendBuffer::append_copy(std::span<const std::uint8_t> bytes) {
  bytes = bytes.subspan(copy_into_last_block(bytes));
  while (!bytes.empty()) {
    const std::size_t capacity = std::clamp(bytes.size(), kSmallestBlockBytes, kLargestBlockBytes);
    PooledBlock block(*chunks_.get_allocator().pool, capacity);
    Chunk& chunk = chunks_.emplace_back();
    chunk.block = std::move(block);
    chunk.data = chunk.block.data();
    bytes = bytes.subspan(copy_into_last_block(bytes));
  }
}

std::size_t SendBuffer::copy_into_last_block(std::span<const std::uint8_t> bytes) {
  if (head_ == chunks_.size() || chunks_.back().block.is_empty() || bytes.empty()) {
    return 0;
  }
  Chunk& chunk = chunks_.back();
  const std::size_t copied = std::min(bytes.size(), chunk.block.size() - chunk.length_bytes);
  std::memcpy(chunk.block.data() + chunk.length_bytes, bytes.data(), copied);
  chunk.length_bytes += copied;
  size_bytes_ += copied;
  unsent_bytes_ += copied;
  return copied;
}

void SendBuffer::append_shared(std::shared_ptr<const void> owner, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) {
    return;
  }
  Chunk& chunk = chunks_.emplace_back();
  chunk.owner = std::move(owner);
  chunk.data = bytes.data();
  chunk.length_bytes = bytes.size();
  size_bytes_ += bytes.size();
  unsent_bytes_ += bytes.size();
}

SendBuffer::Gathered SendBuffer::gather_unsent(std::span<ngtcp2_vec> out, std::size_t enough_bytes) const {
  Gathered gathered;
  std::size_t offset = send_offset_;
  for (std::size_t i = send_chunk_;
       i < chunks_.size() && gathered.entries < out.size() && gathered.bytes < enough_bytes; ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.length_bytes > offset) {
      // The library takes a mutable pointer but only reads through it.
      out[gathered.entries++] = {const_cast<std::uint8_t*>(chunk.data + offset), chunk.length_bytes - offset};
      gathered.bytes += chunk.length_bytes - offset;
    }
    offset = 0;
  }
  return gathered;
}

void SendBuffer::mark_sent(std::size_t bytes) {
  assert(bytes <= unsent_bytes_);
  unsent_bytes_ -= bytes;
  while (bytes > 0) {
    const std::size_t step = std::min(bytes, chunks_[send_chunk_].length_bytes - send_offset_);
    send_offset_ += step;
    bytes -= step;
    // The last chunk may still grow, so the cursor stays inside it.
    if (send_offset_ == chunks_[send_chunk_].length_bytes && send_chunk_ + 1 < chunks_.size()) {
      ++send_chunk_;
      send_offset_ = 0;
    }
  }
}

void SendBuffer::acknowledge(std::size_t bytes) {
  assert(bytes <= size_bytes_ - unsent_bytes_);
  size_bytes_ -= bytes;
  head_offset_ += bytes;
  if (size_bytes_ == 0) {
    clear();
    return;
  }
  while (head_offset_ >= chunks_[head_].length_bytes && head_ < send_chunk_) {
    head_offset_ -= chunks_[head_].length_bytes;
    drop_front();
  }
}

void SendBuffer::drop_front() {
  chunks_[head_] = Chunk{};
  ++head_;
  // Moving the tail costs no more than the chunks dropped since the last time.
  if (head_ >= 32 && head_ * 2 >= chunks_.size()) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(head_));
    send_chunk_ -= head_;
    head_ = 0;
  }
}

void SendBuffer::clear() {
  chunks_.erase(chunks_.begin(), chunks_.end());  // clear() would free the memory that the next chunks need
  head_ = head_offset_ = send_chunk_ = send_offset_ = size_bytes_ = unsent_bytes_ = 0;
}

}  // namespace knul::quic
