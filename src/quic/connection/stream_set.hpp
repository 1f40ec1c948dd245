// The streams of one connection: the calls of the layer above, sending, receiving, and the accounting.
//
// The library's callbacks may call these functions. Work that the library forbids there, such as
// RESET_STREAM, is deferred until the next packet is written (run_deferred()).
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "quic/connection/connection_environment.hpp"
#include "quic/connection/connection_window.hpp"
#include "quic/connection/library_connection.hpp"
#include "quic/connection/send_limits.hpp"
#include "quic/connection/stream_allowance.hpp"
#include "quic/memory/block_pool.hpp"
#include "quic/stream/send_budget.hpp"
#include "quic/stream/stream.hpp"
#include "quic/wire/frame_scanner.hpp"

namespace knul::quic {

class Connection;

// Thread: its connection's. Lifetime: the connection's, whose schedule() it calls when there is something to
// send.
class StreamSet {
 public:
  StreamSet(const ConnectionEnvironment& environment, Connection& connection, LibraryConnection& library);
  ~StreamSet();
  StreamSet(const StreamSet&) = delete;
  StreamSet& operator=(const StreamSet&) = delete;

  // --- The layer above.
  // kConcurrencyLimit without credit, kWrongState when the connection has ended.
  base::Result<Stream*> open(StreamDirection direction);
  // Null: `id` does not name a stream.
  [[nodiscard]] Stream* find(std::int64_t id);
  // See krepis::Stream. `fin` counts only if all bytes were accepted.
  std::size_t write_copy(Stream& stream, std::span<const std::uint8_t> bytes, Fin fin);
  std::size_t write_shared(Stream& stream, std::shared_ptr<const void> owner,
                           std::span<const std::uint8_t> bytes, Fin fin);
  // How many of `wanted_bytes` a write would accept; exact only if fewer.
  [[nodiscard]] std::size_t writable_bytes(const Stream& stream, std::size_t wanted_bytes = SIZE_MAX) const;
  // No effect when the connection has ended, as of the functions that follow. May end the stream.
  void consume(Stream& stream, std::uint64_t bytes);
  void reset(Stream& stream, std::uint64_t code);
  void stop_sending(Stream& stream, std::uint64_t code);
  // Until release(), on_stream_closed and new stream credit are withheld. No effect on a stream that has
  // finished: its on_stream_closed follows.
  void retain(Stream& stream) { stream.is_retained = !stream.is_finished(); }
  // May end the stream.
  void release(Stream& stream);
  void set_priority(Stream& stream, StreamPriority priority);
  // From then on the peer gets no credit for closed streams.
  void freeze_credit() { allowance_.freeze(); }
  [[nodiscard]] std::size_t count() const { return streams_.size(); }
  // The bytes in all send buffers.
  [[nodiscard]] std::uint64_t buffered_bytes() const { return buffered_bytes_; }
  // `visit` may end the visited stream, and must not open or end others.
  template <class Visit>
  void for_each(Visit visit) {
    for_first(SIZE_MAX, visit);
  }
  // The same for at most `most` streams.
  template <class Visit>
  void for_first(std::size_t most, Visit visit) {
    for (auto next = streams_.begin(); next != streams_.end() && most > 0; --most) {
      Stream& stream = *next->second;
      ++next;
      visit(stream);
    }
  }

  // --- For the connection.
  // Called once, before the first stream. Lifetime: `source` outlives this object.
  void set_source(SourceHoldings& source) { window_.set_source(source); }
  // Called before an acknowledgement is read, when the most data is in flight.
  void note_reading() {
    if (!waiting_for_room_.empty()) {
      note_path_capacity();
    }
  }
  // Called after a datagram was read, with its STOP_SENDING frames. Clears `stops`.
  void handle_stops(std::vector<StopSending>& stops) {
    if (!stops.empty()) {
      handle_all_stops(stops);
    }
  }
  // See close_unseen().
  static constexpr std::size_t kMostUnseen = 1'000;
  [[nodiscard]] bool has_too_many_unseen() const { return unseen_ > kMostUnseen; }
  // Reports room to streams whose writes accepted fewer bytes than given.
  void notify_writable() {
    if (!waiting_for_room_.empty()) {
      report_room();
    }
  }
  // Passes the deferred requests to the library. Returns 0 or its error.
  int run_deferred();
  // Credit goes along with stream data, or alone when it has waited too long.
  void grant_due_credit() {
    if (next_to_send() != nullptr || library_.now() >= allowance_.due_at()) {
      allowance_.grant(library_);
    }
  }
  [[nodiscard]] base::Instant credit_due_at() const { return allowance_.due_at(); }
  [[nodiscard]] bool has_something_to_send() { return next_to_send() != nullptr; }
  // What the streams wait for while has_something_to_send() is false.
  [[nodiscard]] SendLimit limit() const;
  // The peer granted credit (MAX_STREAMS).
  void note_streams_available() { wants_stream_ = false; }
  // Stream bytes in packets, each byte once.
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  // Writes the stream data that fits into the packet. nullopt: no stream can send more; the packet may
  // already hold frames.
  std::optional<ngtcp2_ssize> write(const PacketRoom& room);
  // True: no stream is open, and no work is left for a closed stream.
  [[nodiscard]] bool is_at_rest() const {
    return streams_.empty() && deferred_.empty() && allowance_.due_at() == base::kNever;
  }
  // Frees the memory that the containers keep for the next burst. Requires is_at_rest().
  void free_spare_memory();
  // The connection has changed its path.
  void note_new_path() { path_capacity_bytes_ = 0; }

  // --- For the library's callbacks.
  Stream& add(std::int64_t id);
  void handle_acknowledged(Stream& stream, std::uint64_t bytes);
  // The peer granted credit (MAX_STREAM_DATA).
  void handle_credit(Stream& stream);
  void handle_reset(Stream& stream, std::uint64_t code);
  // The library has closed the stream.
  void handle_closed(Stream& stream);
  // The same for a stream that close_unseen() closed before, or for which open() ran out of memory.
  void handle_closed_unseen() { unseen_ -= unseen_ > 0 ? 1 : 0; }

 private:
  struct Deferred {
    enum class Kind : std::uint8_t { kReset, kStopSending };
    Kind kind;
    std::int64_t stream_id;
    std::uint64_t code;
  };
  using Queue = boost::intrusive::list<Stream, boost::intrusive::constant_time_size<false>>;

  // stream_set.cpp
  [[nodiscard]] bool is_local(std::int64_t id) const { return is_opened_by_server(id) == is_server_; }
  void count_opened(const Stream& stream);
  void grant_credit();
  void return_credit(Stream& stream, std::uint64_t bytes);
  void end_receiving(Stream& stream);
  void handle_stop_sending(const StopSending& frame);
  [[gnu::noinline]] void handle_all_stops(std::vector<StopSending>& stops);
  void close_unseen(Stream& stream);
  void finish(Stream& stream);

  // stream_set_send.cpp
  [[nodiscard]] bool can_send(const Stream& stream) const {
    return (is_bidirectional(stream.id) || is_local(stream.id)) && !stream.has_send_ended &&
           !stream.is_closed_by_library;
  }
  void note_path_capacity();
  [[nodiscard]] std::uint64_t grown_limit() const;  // 0: no growth
  [[nodiscard]] std::uint64_t own_room(const Stream& stream, std::size_t wanted_bytes) const;
  void note_buffered(Stream& stream, std::size_t bytes);
  void release_buffered(std::uint64_t bytes);
  void accept_fin(Stream& stream, Fin fin, bool is_all_taken);
  void wait_for_budget(const Stream& stream);
  // Reports room to the waiting streams that have some now.
  void report_room();
  [[nodiscard]] Stream* next_to_send();
  Queue& queue_of(const Stream& stream) { return send_queues_[stream.urgency]; }
  void enqueue(Stream& stream);
  void note_written(Stream& stream, std::size_t taken, std::size_t offered, Fin offered_fin);
  void end_sending(Stream& stream);
  void set_flow_blocked(Stream& stream, bool is_blocked);

  const ConnectionEnvironment& environment_;
  Connection& connection_;  // also the member of the send budget
  LibraryConnection& library_;
  std::vector<Deferred> deferred_;
  std::vector<std::int64_t> waiting_for_room_;
  absl::flat_hash_map<std::int64_t, PooledPtr<Stream>> streams_;
  std::uint64_t sent_bytes_ = 0;
  const bool is_server_;
  bool wants_stream_ = false;       // the last open() had no credit
  std::uint32_t flow_blocked_ = 0;  // streams that wait for MAX_STREAM_DATA
  std::uint32_t unseen_ = 0;        // streams that the library has not closed, see close_unseen()
  StreamAllowance allowance_;
  std::array<Queue, Stream::kUrgencies> send_queues_;
  ConnectionWindow window_;
  std::uint64_t buffered_bytes_ = 0;
  std::uint64_t path_capacity_bytes_ = 0;  // the largest value of note_path_capacity() on this path
};

}  // namespace knul::quic
