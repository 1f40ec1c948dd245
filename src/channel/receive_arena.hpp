// Received bytes in one worker's part of the arena, and the limit of each connection.
//
// Small payloads of many streams share one block. A stream lags when many of its bytes or ranges are
// unreleased. A lagging stream gets blocks of its own, so that it does not keep shared blocks in use. One
// connection may hold half of the free bytes, and a block of its own counts with its full size. So there is
// always room for other connections, however many streams lag. Weak case: a few unreleased bytes keep a whole
// shared block in use but count only as a few bytes.
#pragma once

#include <krepis/krepis.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "channel/arena_part.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: one. Lifetime: a state lives until all of its ranges are released, because it counts them.
class ReceiveArena {
 public:
  // Unreleased bytes of CONNECTION_OPENED events may use 1/kIdentityShare of the arena.
  static constexpr std::size_t kIdentityShare = 8;

  // Unreleased bytes of events without a connection.
  static constexpr std::size_t kMostUnownedBytes = 64 << 10;

  explicit ReceiveArena(ArenaPart part) : part_(std::move(part)) {}

  struct Placed : ArenaPart::Placed {
    bool is_shared = false;  // in a block that all connections share
  };
  // Copies as many bytes as fit into a new range of the stream. Length 0: the arena is full, or the
  // connection may hold no more. Call count() after the event of the range has been pushed.
  Placed add(StreamState& stream, std::span<const std::uint8_t> bytes);
  // Counts a new range for its stream and connection.
  static void count(StreamState& stream, const Placed& range);
  // Adds bytes to the stream's last range and counts them. Returns the number of bytes added.
  std::size_t extend(StreamState& stream, ArenaPart::Placed last, std::span<const std::uint8_t> bytes);
  // Call when the stream receives no more bytes.
  void close(StreamState& stream) { part_.close(stream.own_fill); }

  // Copies the bytes of an event of the connection, all or none, and counts them. False: no room.
  bool put(ConnectionState& state, FfiEvent& event, std::span<const std::uint8_t> bytes);
  // As put(), for the peer's identity. No effect if CONNECTION_OPENED events would exceed their share.
  void put_identity(ConnectionState& state, FfiEvent& event, std::span<const std::uint8_t> identity);

  // Copies the bytes of an event without a connection, all or none. False: no room, or kMostUnownedBytes
  // would be exceeded.
  bool put_unowned(FfiEvent& event, std::span<const std::uint8_t> bytes);

  // True if the connection may hold more bytes in shared blocks, or one more block of its own.
  [[nodiscard]] bool may_hold_more(const ConnectionState& state);
  [[nodiscard]] bool may_hold_datagram(const ConnectionState& state);

  // Ends the range that starts at `offset`. The caller finds the range's owner and calls count_released().
  ArenaPart::Released release(std::uint32_t offset);
  // Subtracts a released range from the counts of its stream and connection.
  void count_released(StreamState& stream, const ArenaPart::Released& range);
  void count_released(ConnectionState& state, std::uint32_t offset, const ArenaPart::Released& range);

  [[nodiscard]] std::size_t free_blocks() const { return part_.free_blocks(); }

 private:
  [[nodiscard]] bool has_shared_room(std::size_t bytes);
  Fill* choose_fill(StreamState& stream, std::size_t bytes);
  static void count_bytes(StreamState& stream, std::uint32_t bytes, bool is_shared);
  [[nodiscard]] std::size_t free_bytes() { return part_.free_bytes() + part_.room(shared_fill_); }

  ArenaPart part_;
  Fill shared_fill_;
  std::uint32_t connection_ranges_ = 0;  // the sum of ConnectionState::unreleased_ranges
  std::size_t identity_bytes_ = 0;       // of unreleased CONNECTION_OPENED events
  std::size_t unowned_bytes_ = 0;        // of unreleased events without a connection
};

}  // namespace knul::channel
