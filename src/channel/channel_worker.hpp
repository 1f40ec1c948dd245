// One worker's part of one channel: turns what the engine tells into events, and what the program asks into
// calls of the engine. All program-visible effects of a turn happen in end_turn.
#pragma once

#include <krepis/krepis.hpp>

#include <span>
#include <string_view>
#include <vector>

#include "channel/channel_core.hpp"
#include "channel/event_writer.hpp"
#include "channel/state_table.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: the worker's, until detach has returned; then the program's, one at a time.
// Lifetime: the core's.
class ChannelWorker {
 public:
  // Beyond these, the connections that hold most are closed with kOverloaded.
  static constexpr std::uint64_t kMostParkedBytes = 64 << 20;  // of a channel, split over its workers
  // CONNECTION_OPENED comes without its bytes when those not yet released have this part of the arena.
  static constexpr std::size_t kIdentityShare = 8;

  ChannelWorker(ChannelCore& core, unsigned index, krepis::Worker& worker);
  ChannelWorker(const ChannelWorker&) = delete;
  ChannelWorker& operator=(const ChannelWorker&) = delete;

  // --- What the engine tells. channel_receive.cpp, channel_connections.cpp
  // Null: the connection was closed instead.
  ConnectionState* add_connection(krepis::Connection& connection);
  void close_connection(ConnectionState& state, const krepis::CloseReason& reason);
  void open_stream(ConnectionState& state, krepis::StreamId id);
  void receive(StreamState& stream, std::span<const std::uint8_t> bytes, bool is_fin);
  void handle_reset(StreamState& stream, std::uint64_t code);
  void handle_stop_sending(StreamState& stream, std::uint64_t code);
  void handle_writable(StreamState& stream);
  void handle_closed(StreamState& stream);
  void handle_streams_available(ConnectionState& state);
  void receive_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes);
  void handle_datagram_writable(ConnectionState& state);
  void handle_datagram_fate(ConnectionState& state, std::uint32_t context, krepis::DatagramFate fate);
  void handle_drain(std::chrono::milliseconds left);

  // Everything that the turn brought was told: takes the mail and publishes events.
  void end_turn();

  // --- A consumer that is gone. channel_watch.cpp
  static constexpr auto kWatchPeriod = std::chrono::milliseconds(100);
  // Events are there that a program which lives would read: watch_consumer is to be called in kWatchPeriod.
  [[nodiscard]] bool needs_watch() const;
  // Breaks the channel when the program has closed its end of the wake socket, or gave no sign of life for
  // settings.consumer_timeout while events were there.
  void watch_consumer();
  // The first of the two. Costs a system call.
  void notice_hang_up();

  // True when the channel is closed and the worker has nothing of it any more.
  [[nodiscard]] bool is_done() const { return !core_.is_open() && states_.open_connections().empty(); }

  // The worker ends: what is open counts as closed by the drain, and nothing is taken any more.
  void detach();
  // After detach. Thread: any, one at a time.
  void pump();
  void publish_stopped(std::uint32_t code, std::string_view report);

  [[nodiscard]] ChannelCore& core() { return core_; }
  [[nodiscard]] std::size_t parking_places() const { return parking_.size(); }

 private:
  // channel_worker.cpp
  void look_at_head();
  void publish();
  void wait_for_head();
  void break_channel(ChannelCore::State to, std::uint32_t code);
  void close_all();

  // channel_mail.cpp
  void take_mail();
  void run(const Command& command);
  void give_up(const Command& command);
  void run_stream_command(const Command& command, StreamState& stream);
  void run_connection_command(const Command& command, ConnectionState& state);
  void set_priority(StreamState& stream);
  void open_for_program(const Command& command);
  void stop_receiving(StreamState& stream, std::uint64_t code);
  bool try_open(StreamState& stream);
  void begin_stream(StreamState& stream);
  void abandon_waiting(StreamState& stream);
  void release(std::uint32_t offset);
  void send_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes,
                     const krepis::DatagramOptions& options);
  // False: its queue is full, and it says when there is room.
  bool hand_over(ConnectionState& state, std::span<const std::uint8_t> bytes,
                 const krepis::DatagramOptions& options);
  void flush_datagrams(ConnectionState& state);

  // channel_send.cpp
  void write(StreamState& stream, std::span<const std::uint8_t> bytes, bool is_fin);
  void write(StreamState& stream, krepis::SharedBytes bytes, bool is_fin);
  void keep(StreamState& stream, std::span<const std::uint8_t> bytes);
  void flush(StreamState& stream);
  void note_taken(StreamState& stream, std::size_t bytes);
  // Bytes of a connection that lives are no longer held for it.
  void give_back(ConnectionState& state, std::uint64_t bytes);
  void tell_writable(StreamState& stream);
  void end_sending(StreamState& stream);

  // channel_receive.cpp
  std::size_t place(StreamState& stream, std::span<const std::uint8_t> bytes);
  // Its last event with bytes, if that is not published yet.
  FfiEvent* find_last_data(const StreamState& stream);
  Fill* choose_fill(StreamState& stream, std::size_t bytes);
  // Of the shared blocks, or one more of its own.
  [[nodiscard]] bool may_hold_more(const ConnectionState& state);
  std::size_t extend_last(StreamState& stream, std::span<const std::uint8_t> bytes);
  void finish_receiving(StreamState& stream);
  void park(StreamState& stream, std::span<const std::uint8_t> bytes);
  void drop_parked(StreamState& stream);
  void note_unparked(StreamState& stream, std::size_t bytes);
  [[nodiscard]] std::uint64_t most_parked_bytes() const { return kMostParkedBytes / core_.workers(); }
  void shed_parked();
  void prune_parking();
  void unpark_all();
  bool unpark(StreamState& stream);
  void add_identity(ConnectionState& state, FfiEvent& event, std::string_view identity);
  bool put_bytes(FfiEvent& event, std::span<const std::uint8_t> bytes);
  void void_stream(StreamState& stream);
  void note_range(StreamState& stream, const Fill& fill, std::uint32_t bytes);
  // Of an event of the connection itself; nothing where `bytes` is 0.
  void note_range(ConnectionState& state, std::uint32_t bytes);
  [[nodiscard]] bool may_hold_datagram(const ConnectionState& state);

  ChannelCore& core_;
  const unsigned index_;
  EventRing& ring_;
  Mailbox& mailbox_;
  EventWriter events_;
  StateTable states_;
  ArenaPart arena_;
  Fill shared_fill_;
  Mail mail_;                       // being worked on
  Fifo<std::uint32_t> parking_;     // streams with parked bytes, in turn, and some that ended
  std::size_t parked_streams_ = 0;  // of those
  std::uint64_t parked_bytes_ = 0;
  std::uint32_t connection_ranges_ = 0;  // ConnectionState::unreleased_ranges of all
  std::size_t identity_bytes_ = 0;       // of CONNECTION_OPENED events, in the arena
  bool has_freed_ = false;               // arena, since the last unpark_all
  bool has_closed_all_ = false;
  std::uint64_t seen_signs_ = 0;      // of life
  std::uint32_t silent_periods_ = 0;  // since they changed
};

}  // namespace knul::channel
