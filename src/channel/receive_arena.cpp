#include "channel/receive_arena.hpp"

#include <algorithm>

#include "base/fair_share.hpp"
#include "channel/event_writer.hpp"

namespace knul::channel {
namespace {

using base::fair_share::kHalfOfFree;

constexpr std::uint32_t kLaggingRanges = 4;
constexpr std::uint64_t kLaggingBytes = 8 << 10;
// A shared block with less room than this is closed if another block is free, because a range costs an event.
constexpr std::size_t kWorthwhileBytes = 512;
constexpr std::uint32_t kUnowned = 0;  // the handle of no stream and no connection
constexpr std::uint32_t kMostConnectionRanges = EventWriter::kMostBacklogEvents / 2;

}  // namespace

ReceiveArena::Placed ReceiveArena::add(StreamState& stream, std::span<const std::uint8_t> bytes) {
  Fill* const fill = choose_fill(stream, bytes.size());
  if (fill == nullptr) {
    return {};
  }
  return {part_.add_range(*fill, stream.handle, bytes), fill == &shared_fill_};
}

Fill* ReceiveArena::choose_fill(StreamState& stream, std::size_t bytes) {
  const bool is_lagging =
      stream.unreleased_ranges >= kLaggingRanges || stream.unreleased_bytes > kLaggingBytes;
  const bool has_own_room = part_.room(stream.own_fill) > 0;  // without another block
  if (is_lagging && has_own_room) {
    return &stream.own_fill;
  }
  if (!may_hold_more(*stream.connection)) {
    return has_own_room ? &stream.own_fill : nullptr;
  }
  if (is_lagging && part_.open(stream.own_fill, &stream.connection->pinned_blocks)) {
    return &stream.own_fill;
  }
  if (part_.room(shared_fill_) >= std::min(bytes, kWorthwhileBytes) || part_.open(shared_fill_) ||
      part_.room(shared_fill_) > 0) {
    return &shared_fill_;
  }
  return has_own_room ? &stream.own_fill : nullptr;
}

void ReceiveArena::count(StreamState& stream, const Placed& range) {
  ++stream.unreleased_ranges;
  count_bytes(stream, range.length, range.is_shared);
}

void ReceiveArena::count_bytes(StreamState& stream, std::uint32_t bytes, bool is_shared) {
  stream.unreleased_bytes += bytes;
  stream.connection->unreleased_bytes += bytes;
  stream.connection->shared_bytes += is_shared ? bytes : 0;
}

std::size_t ReceiveArena::extend(StreamState& stream, ArenaPart::Placed last,
                                 std::span<const std::uint8_t> bytes) {
  bool is_shared = false;
  std::size_t added = part_.extend_range(stream.own_fill, last, bytes);
  if (added == 0 && may_hold_more(*stream.connection)) {
    is_shared = true;
    added = part_.extend_range(shared_fill_, last, bytes);
  }
  count_bytes(stream, static_cast<std::uint32_t>(added), is_shared);
  return added;
}

// True: a range of `bytes` fits into the shared fill.
bool ReceiveArena::has_shared_room(std::size_t bytes) {
  return bytes > 0 && bytes <= kBlockBytes && (part_.room(shared_fill_) >= bytes || part_.open(shared_fill_));
}

bool ReceiveArena::put(ConnectionState& state, FfiEvent& event, std::span<const std::uint8_t> bytes) {
  if (!has_shared_room(bytes.size())) {
    return false;
  }
  const ArenaPart::Placed placed = part_.add_range(shared_fill_, state.handle, bytes);
  event.offset = placed.offset;
  event.length = placed.length;
  state.unreleased_bytes += placed.length;
  state.shared_bytes += placed.length;
  ++state.unreleased_ranges;
  ++connection_ranges_;
  return true;
}

// The bytes of CONNECTION_OPENED events use at most an eighth of the arena, however many connections open.
void ReceiveArena::put_identity(ConnectionState& state, FfiEvent& event,
                                std::span<const std::uint8_t> identity) {
  const std::size_t most = part_.blocks() * kBlockBytes / kIdentityShare;
  if (identity_bytes_ + identity.size() > most || !put(state, event, identity)) {
    return;
  }
  state.identity_offset = event.offset;
  identity_bytes_ += event.length;
}

bool ReceiveArena::put_unowned(FfiEvent& event, std::span<const std::uint8_t> bytes) {
  if (unowned_bytes_ + bytes.size() > kMostUnownedBytes || !has_shared_room(bytes.size())) {
    return false;
  }
  const ArenaPart::Placed placed = part_.add_range(shared_fill_, kUnowned, bytes);
  event.offset = placed.offset;
  event.length = placed.length;
  unowned_bytes_ += placed.length;
  return true;
}

bool ReceiveArena::may_hold_more(const ConnectionState& state) {
  return base::fair_share::may_take_piece(
      free_bytes(), state.shared_bytes + state.pinned_blocks * kBlockBytes, kHalfOfFree);
}

// DATAGRAMs may raise the number of unreleased ranges of all connections to half of the backlog's limit. One
// connection may have half of the free ranges, and half of the free granules of the arena, because each
// DATAGRAM uses at least one granule. So a flood from one peer leaves room for the DATAGRAMs and the
// connections of other peers.
bool ReceiveArena::may_hold_datagram(const ConnectionState& state) {
  const std::uint32_t free = kMostConnectionRanges - std::min(kMostConnectionRanges, connection_ranges_);
  const std::size_t granules = free_bytes() / kGranuleBytes;
  return base::fair_share::may_take_piece(std::min<std::size_t>(free, granules), state.unreleased_ranges,
                                          kHalfOfFree);
}

ArenaPart::Released ReceiveArena::release(std::uint32_t offset) {
  const ArenaPart::Released range = part_.release(offset);
  if (range.handle == kUnowned) {
    unowned_bytes_ -= range.length;
  }
  return range;
}

void ReceiveArena::count_released(StreamState& stream, const ArenaPart::Released& range) {
  --stream.unreleased_ranges;
  stream.unreleased_bytes -= range.length;
  stream.connection->unreleased_bytes -= range.length;
  stream.connection->shared_bytes -= range.is_pinned ? 0 : range.length;
  if (stream.unreleased_ranges == 0) {
    part_.close(stream.own_fill);
  }
}

void ReceiveArena::count_released(ConnectionState& state, std::uint32_t offset,
                                  const ArenaPart::Released& range) {
  if (state.identity_offset == offset) {
    state.identity_offset.reset();
    identity_bytes_ -= range.length;
  }
  state.unreleased_bytes -= range.length;
  state.shared_bytes -= range.length;
  --state.unreleased_ranges;
  --connection_ranges_;
}

}  // namespace knul::channel
