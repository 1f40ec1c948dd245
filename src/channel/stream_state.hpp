// The state that a worker keeps for each stream and each connection of a channel.
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

// Bytes of a stream that its connection has not accepted yet, and the free room after them in their buffer.
struct PendingBytes {
  krepis::SharedBytes unsent;
  std::span<std::uint8_t> room;
};

// The engine's stream has a pointer to this state in its user word. The state is in the list of its
// connection from WorkerPart::link until WorkerPart::end_stream.
// Thread: the worker's. Lifetime: until its table entry is released.
struct StreamState final
    : WorkerObject,
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Entry* entry = nullptr;
  std::uint32_t handle = 0;
  ConnectionState* connection = nullptr;
  krepis::Stream* stream = nullptr;  // null until the peer's limit allows it, and after its end
  bool is_closed = false;            // STREAM_CLOSED or CONNECTION_CLOSED reports its end
  bool is_clean = true;
  bool is_announced = true;  // false: the next event carries KREPIS_FLAG_OPENED

  Fifo<PendingBytes> pending;
  bool is_fin_pending = false;
  bool is_send_closed = false;
  bool wants_writable = false;             // a write of the program was accepted only in part
  std::optional<std::uint64_t> stop_code;  // of a stop_sending before `stream` was set
  krepis::StreamPriority priority;

  bool is_receive_closed = false;
  bool is_retained = false;
  std::optional<std::uint32_t> last_data;  // number of the last event with bytes
  Fill own_fill;                           // open only if the stream lags
  std::uint32_t unreleased_ranges = 0;
  std::uint64_t unreleased_bytes = 0;
  std::vector<std::uint8_t> parked;  // received bytes without room in the arena
  std::size_t parked_from = 0;
  bool is_fin_parked = false;
  bool is_parked = false;           // ParkedBytes counts the stream
  bool is_read_to_its_end = false;  // the release of the last range then frees the entry

  [[nodiscard]] std::size_t parked_bytes() const { return parked.size() - parked_from; }
};

// The engine's connection has a pointer to this state in its user word.
struct ConnectionState final : WorkerObject {
  Entry* entry = nullptr;
  std::uint32_t handle = 0;
  WorkerPart* part = nullptr;
  krepis::Connection* connection = nullptr;  // null after its end
  std::chrono::nanoseconds facts_at{};       // the time of Entry::facts
  // The open streams that the engine knows.
  boost::intrusive::list<StreamState, boost::intrusive::constant_time_size<false>> streams;
  std::vector<StreamState*> waiting;             // wait for the peer's stream limit, oldest first
  std::uint64_t unreleased_bytes = 0;            // of the connection and its streams
  std::uint64_t shared_bytes = 0;                // the part of them in blocks that all connections share
  std::uint32_t pinned_blocks = 0;               // blocks of the arena that its streams do not share
  std::uint32_t unreleased_ranges = 0;           // of DATAGRAM, CONNECTION_OPENED and CONNECTION_CLOSED
  std::optional<std::uint32_t> identity_offset;  // of CONNECTION_OPENED, until its bytes are released
  std::uint64_t parked_bytes = 0;                // of its streams
  struct BlockedDatagram {
    krepis::SharedBytes copy;
    krepis::DatagramOptions options;
  };
  Fifo<BlockedDatagram> blocked_datagrams;
  bool wants_datagram_writable = false;
  bool is_read_to_its_end = false;  // as in StreamState
};

}  // namespace knul::channel
