// One worker's part of one channel. It turns callbacks of the engine into events, and commands of the program
// into calls of the engine. The program sees the effects of a turn only after end_turn.
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

// Thread: the worker's, until detach has returned; then the program's threads, one at a time.
// Lifetime: the core outlives this object.
class WorkerPart {
 public:
  WorkerPart(Core& core, unsigned index, krepis::Worker& worker);
  WorkerPart(const WorkerPart&) = delete;
  WorkerPart& operator=(const WorkerPart&) = delete;

  // --- Callbacks of the engine: worker_part_connections.cpp, worker_part_streams.cpp.
  // Null: the channel has no room, and the connection was closed.
  ConnectionState* add_connection(krepis::Connection& connection);
  void close_connection(ConnectionState& state, const krepis::CloseReason& reason);
  void open_stream(ConnectionState& state, krepis::Stream& opened);
  void receive(StreamState& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) {
    receiving_.receive(stream, bytes, fin);
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
    datagrams_.report_fate(state, context, fate);
  }
  void handle_drain(std::chrono::milliseconds left);

  // Call after all callbacks of a turn. Runs the program's commands and publishes events.
  void end_turn();

  // --- A consumer that no longer reads: its channel is broken.
  // True: the caller must call watch_consumer after ConsumerWatch::kPeriod.
  [[nodiscard]] bool needs_watch() const { return watch_.is_needed(); }
  void watch_consumer();
  // Breaks the channel if the program has closed its end of the wake socket. Costs a system call.
  void check_hang_up();

  // True if the channel is closed or broken and this worker has no open connection of the channel.
  [[nodiscard]] bool is_done() const { return !core_.is_open() && states_.open_connections().empty(); }

  // Call when the worker ends. Reports open connections as closed by the drain. Then the mailbox accepts no
  // mail.
  void detach();
  // After detach: publishes events as the program reads. Thread: any, one at a time.
  void pump();
  void publish_stopped(std::uint32_t code, std::string_view report);

  [[nodiscard]] Core& core() { return core_; }
  [[nodiscard]] std::size_t parking_queue_length() const { return receiving_.parking_queue_length(); }

 private:
  // worker_part.cpp
  void check_head();
  void publish();
  void wait_for_head();
  // No effect if the channel is not open, or if `to` is kOpen.
  void break_channel(Core::State to);
  void close_all();

  // worker_part_connections.cpp
  void keep_certificate(Entry& entry, std::shared_ptr<const std::string> json);

  // worker_part_streams.cpp
  void open_for_program(const Command& command);
  bool try_open(StreamState& stream);
  static void link(StreamState& state, krepis::Stream& stream);
  void begin_stream(StreamState& stream);
  void abandon_waiting(StreamState& stream);
  void end_stream(StreamState& stream);

  // worker_part_mail.cpp
  void take_mail();
  void run(const Command& command);
  void close_after_failure(const Command& command);
  void run_stream_command(const Command& command, StreamState& stream);
  void run_connection_command(const Command& command, ConnectionState& state);
  void set_priority(StreamState& stream);
  void deliver_log(const Command& command);

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
  Mail mail_;  // the commands that run; a member, to reuse its memory
  bool has_closed_all_ = false;
};

}  // namespace knul::channel
