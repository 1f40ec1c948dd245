// What a worker keeps for the streams and connections of a channel.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <krepis/krepis.hpp>

#include <cstdint>
#include <optional>
#include <vector>

#include "channel/arena_part.hpp"
#include "channel/fifo.hpp"
#include "channel/handle_table.hpp"

namespace knul::channel {

struct ConnectionState;

// Bytes of a stream that its connection has not taken, and behind them what is free of their buffer.
struct PendingBytes {
  krepis::SharedBytes left;
  std::span<std::uint8_t> room;
};

// Thread: the worker's. Lifetime: its table entry's.
struct StreamState final : WorkerObject {
  Entry* entry = nullptr;
  std::uint32_t handle = 0;
  ConnectionState* connection = nullptr;
  std::optional<krepis::StreamId> id;  // none while it waits for the peer's limit
  bool is_closed = false;              // STREAM_CLOSED was told, or the connection's end
  bool is_clean = true;
  bool is_announced = true;  // false: the next event carries KREPIS_FLAG_OPENED

  Fifo<PendingBytes> pending;
  bool is_fin_pending = false;
  bool is_send_over = false;
  bool wants_writable = false;             // the program's last write was cut short
  std::optional<std::uint64_t> stop_code;  // of a stop_sending before it has an id
  krepis::StreamPriority priority;

  bool is_receive_over = false;
  bool is_retained = false;
  std::optional<std::uint32_t> last_data;  // sequence of the last event with bytes
  Fill own_fill;                           // of a stream that lags
  std::uint32_t unreleased_ranges = 0;
  std::uint64_t unreleased_bytes = 0;
  std::vector<std::uint8_t> parked;  // received, without room in the arena
  std::size_t parked_from = 0;
  bool is_fin_parked = false;
  bool is_in_parking = false;       // listed by the worker
  bool is_read_to_its_end = false;  // by the program: the entry goes when the last range is released

  [[nodiscard]] std::size_t parked_bytes() const { return parked.size() - parked_from; }
};

struct ConnectionState final : WorkerObject {
  Entry* entry = nullptr;
  std::uint32_t handle = 0;
  krepis::Connection* connection = nullptr;  // null once it is closed
  std::chrono::nanoseconds facts_at{};
  absl::flat_hash_map<krepis::StreamId, StreamState*> streams;
  std::vector<StreamState*> waiting;             // for the peer's stream limit, oldest first
  std::uint64_t unreleased_bytes = 0;            // of the connection and its streams
  std::uint64_t shared_bytes = 0;                // of those, in blocks that are for all connections
  std::uint32_t pinned_blocks = 0;               // blocks of the arena that are for its streams alone
  std::uint32_t unreleased_ranges = 0;           // of its own events: DATAGRAMs, and its beginning and end
  std::optional<std::uint32_t> identity_offset;  // of the bytes of CONNECTION_OPENED, until they are released
  std::uint64_t parked_bytes = 0;                // of its streams
  struct BlockedDatagram {
    krepis::SharedBytes copy;
    krepis::DatagramOptions options;
  };
  Fifo<BlockedDatagram> blocked_datagrams;
  bool wants_datagram_writable = false;
  bool is_read_to_its_end = false;  // as for streams
};

}  // namespace knul::channel
