// What a worker keeps for the streams and connections of a channel.
#pragma once

#include <krepis/krepis.hpp>

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "channel/arena_part.hpp"
#include "channel/fifo.hpp"
#include "channel/handle_table.hpp"

namespace knul::channel {

class WorkerPart;
struct ConnectionState;

// Bytes of a stream that its connection has not taken, and behind them what is free of their buffer.
struct PendingBytes {
  krepis::SharedBytes left;
  std::span<std::uint8_t> room;
};

// The user word of its stream leads to it. Linked in the list of its connection while it has a stream.
// Thread: the worker's. Lifetime: its table entry's.
struct StreamState final
    : WorkerObject,
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Entry* entry = nullptr;
  std::uint32_t handle = 0;
  ConnectionState* connection = nullptr;
  krepis::Stream* stream = nullptr;  // null while it waits for the peer's limit, and once it has ended
  bool is_closed = false;            // STREAM_CLOSED was told, or the connection's end
  bool is_clean = true;
  bool is_announced = true;  // false: the next event carries KREPIS_FLAG_OPENED

  Fifo<PendingBytes> pending;
  bool is_fin_pending = false;
  bool is_send_over = false;
  bool wants_writable = false;             // the program's last write was cut short
  std::optional<std::uint64_t> stop_code;  // of a stop_sending before it has a stream
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

// The user word of its connection leads to it.
struct ConnectionState final : WorkerObject {
  Entry* entry = nullptr;
  std::uint32_t handle = 0;
  WorkerPart* part = nullptr;
  krepis::Connection* connection = nullptr;  // null once it is closed
  std::chrono::nanoseconds facts_at{};
  // Those that have a stream.
  boost::intrusive::list<StreamState, boost::intrusive::constant_time_size<false>> streams;
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
