#include "quic/memory/chunk_source.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace knul::quic {
namespace {

// Each reservation has twice the size of the previous one, so that a small server reserves little.
constexpr std::size_t kFirstReservationBytes = ChunkSource::kLargestBytes;
constexpr std::size_t kLargestReservationBytes = 64 << 20;

std::size_t index_of(std::size_t bytes) {
  return static_cast<std::size_t>(std::countr_zero(bytes / ChunkSource::kSmallestBytes));
}

}  // namespace

ChunkSource::~ChunkSource() {
  kept_bytes_.sub(warm_count_ * kSmallestBytes);
  for (const Reservation& reservation : reservations_) {
    pages_.release(reservation.begin, reservation.bytes);
  }
}

std::uint8_t* ChunkSource::take(std::size_t bytes) noexcept {
  if (bytes == kSmallestBytes && warm_count_ > 0) {
    kept_bytes_.sub(kSmallestBytes);
    return warm_[--warm_count_];
  }
  std::vector<std::uint8_t*>& free = free_[index_of(bytes)];
  if (!free.empty()) {
    std::uint8_t* const chunk = free.back();
    free.pop_back();
    return chunk;
  }
  try {
    free.reserve(std::bit_ceil(made_[index_of(bytes)] + 1));  // so that release() needs no allocation
    std::uint8_t* const chunk = cut(bytes);
    made_[index_of(bytes)] += chunk == nullptr ? 0 : 1;
    return chunk;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

std::uint8_t* ChunkSource::cut(std::size_t bytes) {
  if (reservations_.empty() || reservations_.back().bytes - used_bytes_ < bytes) {
    const std::size_t next = reservations_.empty() ? kFirstReservationBytes : reservations_.back().bytes * 2;
    const std::size_t wanted = std::min(next, kLargestReservationBytes);
    reservations_.reserve(reservations_.size() + 1);
    auto* const begin = static_cast<std::uint8_t*>(pages_.reserve(wanted));
    if (begin == nullptr) {
      return nullptr;
    }
    reservations_.push_back({begin, wanted});
    used_bytes_ = 0;
  }
  std::uint8_t* const chunk = reservations_.back().begin + used_bytes_;
  used_bytes_ += bytes;
  return chunk;
}

// The last chunks keep their pages: a series of short connections would fault them in anew each time.
void ChunkSource::release(std::uint8_t* chunk, std::size_t bytes) noexcept {
  if (bytes == kSmallestBytes && warm_count_ < kWarmChunks) {
    kept_bytes_.add(kSmallestBytes);
    warm_[warm_count_++] = chunk;
    return;
  }
  pages_.discard(chunk, bytes);
  pages_.restore(chunk, bytes);
  free_[index_of(bytes)].push_back(chunk);
}

}  // namespace knul::quic
