// One worker's part of one channel: turns what the engine tells into events, and what the program asks into
// calls of the engine. All program-visible effects of a turn happen in end_turn.
#pragma once

#include <krepis/krepis.hpp>

#include <span>
#include <string_view>

#include "channel/consumer_watch.hpp"
#include "channel/core.hpp"
#include "channel/datagram_sender.hpp"
#include "channel/event_writer.hpp"
#include "channel/receive_side.hpp"
#include "channel/send_side.hpp"
#include "channel/state_table.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: the worker's, until detach has returned; then the program's, one at a time.
// Lifetime: the core's.
class WorkerPart {
 public:
  WorkerPart(Core& core, unsigned index, krepis::Worker& worker);
  WorkerPart(const WorkerPart&) = delete;
  WorkerPart& operator=(const WorkerPart&) = delete;

  // --- What the engine tells. worker_part_connections.cpp, worker_part_streams.cpp
  // Null: the connection was closed instead.
  ConnectionState* add_connection(krepis::Connection& connection);
  void close_connection(ConnectionState& state, const krepis::CloseReason& reason);
  void open_stream(ConnectionState& state, krepis::Stream& opened);
  void receive(StreamState& stream, std::span<const std::uint8_t> bytes, bool is_fin) {
    receiving_.receive(stream, bytes, is_fin);
  }
  void handle_reset(StreamState& stream, std::uint64_t code) { receiving_.handle_reset(stream, code); }
  void handle_stop_sending(StreamState& stream, std::uint64_t code) {
    sending_.handle_stop_sending(stream, code);
  }
  void handle_writable(StreamState& stream) { sending_.flush(stream); }
  void handle_closed(StreamState& stream);
  void handle_streams_available(ConnectionState& state);
  void receive_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes) {
    receiving_.receive_datagram(state, bytes);
  }
  void handle_datagram_writable(ConnectionState& state) { datagrams_.flush(state); }
  void handle_datagram_fate(const ConnectionState& state, std::uint32_t context, krepis::DatagramFate fate) {
    datagrams_.tell_fate(state, context, fate);
  }
  void handle_drain(std::chrono::milliseconds left);

  // Everything that the turn brought was told: takes the mail and publishes events.
  void end_turn();

  // --- A consumer that is gone: the channel is broken.
  // True: watch_consumer is to be called in ConsumerWatch::kPeriod.
  [[nodiscard]] bool needs_watch() const { return watch_.is_needed(); }
  void watch_consumer();
  // Costs a system call.
  void notice_hang_up();

  // True when the channel is closed and the worker has nothing of it any more.
  [[nodiscard]] bool is_done() const { return !core_.is_open() && states_.open_connections().empty(); }

  // The worker ends: what is open counts as closed by the drain, and nothing is taken any more.
  void detach();
  // After detach. Thread: any, one at a time.
  void pump();
  void publish_stopped(std::uint32_t code, std::string_view report);

  [[nodiscard]] Core& core() { return core_; }
  [[nodiscard]] std::size_t parking_places() const { return receiving_.parking_places(); }

 private:
  // worker_part.cpp
  void look_at_head();
  void publish();
  void wait_for_head();
  // Nothing when it is not open any more, or `to` is kOpen.
  void break_channel(Core::State to);
  void close_all();

  // worker_part_streams.cpp
  void open_for_program(const Command& command);
  bool try_open(StreamState& stream);
  static void link(StreamState& state, krepis::Stream& stream);
  void begin_stream(StreamState& stream);
  void abandon_waiting(StreamState& stream);
  void void_stream(StreamState& stream);

  // worker_part_mail.cpp
  void take_mail();
  void run(const Command& command);
  void give_up(const Command& command);
  void run_stream_command(const Command& command, StreamState& stream);
  void run_connection_command(const Command& command, ConnectionState& state);
  void set_priority(StreamState& stream);

  Core& core_;
  const unsigned index_;
  EventRing& ring_;
  Mailbox& mailbox_;
  EventWriter events_;
  StateTable states_;
  ReceiveSide receiving_;
  SendSide sending_;
  DatagramSender datagrams_;
  ConsumerWatch watch_;
  Mail mail_;  // being worked on
  bool has_closed_all_ = false;
};

}  // namespace knul::channel
