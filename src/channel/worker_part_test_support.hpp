// A channel with one worker, without threads, sockets or a clock, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "channel/channel.hpp"
#include "channel/worker_part.hpp"

namespace knul::channel {

class StubWorker final : public krepis::Worker {
 public:
  [[nodiscard]] unsigned index() const override { return 0; }
  bool post(std::function<void()> /*task*/) override { return true; }
  void call_after(std::chrono::nanoseconds /*delay*/, std::function<void()> /*task*/) override {}
  [[nodiscard]] std::chrono::nanoseconds now() const override { return time; }

  std::chrono::nanoseconds time = std::chrono::hours(1);
};

class RecordingConnection;

// Forwards each call to its connection.
class RecordingStream final : public krepis::Stream {
 public:
  RecordingStream(RecordingConnection& connection, krepis::StreamId id);

  [[nodiscard]] krepis::StreamId id() const override { return id_; }
  std::size_t write(std::span<const std::uint8_t> bytes, krepis::Fin fin) override;
  std::size_t write(krepis::SharedBytes bytes, krepis::Fin fin) override;
  [[nodiscard]] std::size_t writable_bytes() const override { return 1 << 20; }
  void consume(std::size_t /*bytes*/) override {}
  void reset(std::uint64_t code) override;
  void stop_sending(std::uint64_t code) override;
  void refuse(std::uint64_t /*code*/) override {}
  void set_priority(krepis::StreamPriority priority) override;
  void retain() override {}
  void release() override;

 private:
  RecordingConnection& recording_;
  krepis::StreamId id_;
};

// Records the calls to itself and its streams. A test can make calls fail.
class RecordingConnection final : public krepis::Connection {
 public:
  [[nodiscard]] std::uint64_t id() const override { return own_id; }
  [[nodiscard]] std::string_view alpn() const override { return "knul"; }
  [[nodiscard]] std::string_view server_name() const override { return ""; }
  [[nodiscard]] std::string peer_address() const override { return "127.0.0.1:1"; }
  [[nodiscard]] krepis::ConnectionInfo info() const override {
    krepis::ConnectionInfo info;
    info.congestion_window_bytes = congestion_window;
    return info;
  }
  [[nodiscard]] std::uint64_t context() const override { return 0; }
  [[nodiscard]] bool is_resumed() const override { return false; }
  [[nodiscard]] std::optional<krepis::PeerCertificate> peer_certificate() const override {
    return certificate;
  }
  krepis::Result<krepis::Stream*> open_stream(krepis::StreamDirection /*direction*/) override {
    krepis::Stream* const opened = &stream(next_id += 4);
    return opened;
  }
  [[nodiscard]] krepis::Stream* find_stream(krepis::StreamId id) override { return &stream(id); }
  void for_each_stream(const std::function<void(krepis::Stream& stream)>& visit) override {
    for (auto& [id, stream] : streams) {
      visit(stream);
    }
  }
  void drop_datagram() override { ++datagrams_dropped; }
  bool send_datagram(std::span<const std::uint8_t> /*bytes*/) override { return true; }
  krepis::DatagramOutcome send_datagram(std::span<const std::uint8_t> bytes,
                                        const krepis::DatagramOptions& /*options*/) override {
    if (datagram_outcome == krepis::DatagramOutcome::kQueued) {
      datagrams.push_back(bytes.front());
    }
    return datagram_outcome;
  }
  [[nodiscard]] std::size_t max_datagram_bytes() const override { return 1'200; }
  void close(std::uint64_t code, std::string_view /*reason*/) override { close_code = code; }

  RecordingStream& stream(krepis::StreamId id) { return streams.try_emplace(id, *this, id).first->second; }
  std::size_t write(krepis::SharedBytes bytes, krepis::Fin fin) {
    if (std::exchange(fails_next_write, false)) {
      throw std::bad_alloc();
    }
    const std::size_t taken = std::min(room, bytes.bytes.size());
    room -= taken;
    fins += taken == bytes.bytes.size() && fin == krepis::Fin::kYes ? 1 : 0;
    pieces.push_back({std::move(bytes.owner), bytes.bytes.first(taken)});
    return taken;
  }

  // All accepted bytes. Shared bytes are read now, so the result shows a later change to them.
  [[nodiscard]] std::string written() const {
    std::string text;
    for (const krepis::SharedBytes& piece : pieces) {
      text.append(piece.bytes.begin(), piece.bytes.end());
    }
    return text;
  }

  std::map<krepis::StreamId, RecordingStream> streams;
  std::optional<krepis::PeerCertificate> certificate;
  std::uint64_t own_id = 1;
  krepis::StreamId next_id = 1;
  bool fails_next_write = false;
  std::size_t room = SIZE_MAX;
  std::vector<krepis::SharedBytes> pieces;
  int fins = 0;
  std::uint64_t close_code = 0;
  std::uint64_t congestion_window = 0;
  std::vector<std::uint64_t> resets, stops;
  std::vector<krepis::StreamId> released;
  std::vector<int> priorities;  // the urgencies
  int datagrams_dropped = 0;    // received ones
  krepis::DatagramOutcome datagram_outcome = krepis::DatagramOutcome::kQueued;
  std::vector<std::uint8_t> datagrams;  // the first byte of each
};

inline RecordingStream::RecordingStream(RecordingConnection& connection, krepis::StreamId id)
    : krepis::Stream(connection), recording_(connection), id_(id) {}
inline std::size_t RecordingStream::write(std::span<const std::uint8_t> bytes, krepis::Fin fin) {
  const auto copy = std::make_shared<std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  return write(krepis::SharedBytes{copy, *copy}, fin);
}
inline std::size_t RecordingStream::write(krepis::SharedBytes bytes, krepis::Fin fin) {
  return recording_.write(std::move(bytes), fin);
}
inline void RecordingStream::reset(std::uint64_t code) { recording_.resets.push_back(code); }
inline void RecordingStream::stop_sending(std::uint64_t code) { recording_.stops.push_back(code); }
inline void RecordingStream::set_priority(krepis::StreamPriority priority) {
  recording_.priorities.push_back(priority.urgency);
}
inline void RecordingStream::release() { recording_.released.push_back(id_); }

// The state of the engine's stream `id`.
inline StreamState& state_of(RecordingConnection& connection, krepis::StreamId id) {
  return *static_cast<StreamState*>(connection.stream(id).user());
}

inline std::unique_ptr<Core> make_core(const std::function<void(Settings& settings)>& change = {}) {
  Settings settings;
  settings.arena_bytes = 1 << 20;
  if (change) {
    change(settings);
  }
  return *Core::create(std::move(settings), {std::make_shared<WorkerLink>()});
}

// The objects that the parts of a worker need, with one connection.
struct BareWorker {
  explicit BareWorker(const std::function<void(Settings& settings)>& change = {}) : core(make_core(change)) {}
  ConnectionState& add_connection(RecordingConnection& of) {
    Entry& entry = *core->table.allocate(0);
    auto made = std::make_unique<ConnectionState>();
    ConnectionState& state = *made;
    state.entry = &entry;
    state.connection = &of;
    entry.object = std::move(made);
    state.handle = core->table.publish(entry);
    states.add_open(state);
    return state;
  }
  // Adds a stream that the peer has opened.
  StreamState& add_stream(ConnectionState& state, krepis::StreamId id = 0) {
    Entry& entry = *core->table.allocate(0);
    StreamState& stream = states.add_stream(entry);
    entry.add(Entry::kIsStream);
    stream.connection = &state;
    stream.stream = &static_cast<RecordingConnection*>(state.connection)->stream(id);
    stream.stream->set_user(&stream);
    stream.is_announced = false;
    stream.is_retained = true;
    stream.handle = core->table.publish(entry);
    state.streams.push_back(stream);
    return stream;
  }
  // The program reads all events.
  void read_all() {
    (void)ring.publish();
    auto* const words = reinterpret_cast<std::uint32_t*>(core->region.data());
    words[kHeadOffset / sizeof *words] = words[kTailOffset / sizeof *words];
    ASSERT_TRUE(ring.refresh_head());
    states.run_due();
  }

  std::unique_ptr<Core> core;
  StubWorker engine_worker;
  RecordingConnection connection;
  EventRing& ring = core->rings[0];
  EventWriter events{ring, core->mailboxes[0], engine_worker};
  StateTable states{core->table, ring, core->mailboxes[0]};
};

struct OneConnection {
  explicit OneConnection(std::size_t arena_bytes = 1 << 20)
      : OneConnection([=](Settings& settings) { settings.arena_bytes = arena_bytes; }) {}
  explicit OneConnection(const std::function<void(Settings& settings)>& change)
      : channel(make_core(change), {}), worker(channel.begin_worker(0, engine_worker)) {
    state = worker.add_connection(connection);
  }
  [[nodiscard]] Core& core() { return channel.core(); }
  // The peer opens the stream.
  StreamState& open(krepis::StreamId id) {
    worker.open_stream(*state, connection.stream(id));
    return stream(id);
  }
  // The program opens a bidirectional stream. Returns its handle.
  std::uint32_t open_for_program() {
    return static_cast<std::uint32_t>(
        channel.open_stream(state->handle, krepis::StreamDirection::kBidirectional).number);
  }
  StreamState& stream(krepis::StreamId id) { return state_of(connection, id); }
  // The program reads all events and releases nothing.
  void read_all() {
    auto* const ring = reinterpret_cast<std::uint32_t*>(core().region.data());
    head = ring[kTailOffset / sizeof *ring];
    ring[kHeadOffset / sizeof *ring] = head;
  }
  // Reads up to the next event with bytes and releases its bytes.
  void release_oldest() {
    auto* const ring = reinterpret_cast<std::uint32_t*>(core().region.data());
    const std::uint32_t tail = ring[kTailOffset / sizeof *ring];
    FfiEvent event{};
    while (head != tail && event.length == 0) {
      const std::size_t place = head++ & (core().layout.ring_records - 1);
      std::memcpy(&event, core().region.data() + kRingHeaderBytes + place * kRecordBytes, sizeof event);
    }
    ring[kHeadOffset / sizeof *ring] = head;
    ASSERT_GT(event.length, 0U);
    ASSERT_FALSE(channel.release(std::span(&event.offset, 1)).is_refused());
  }
  void write(std::uint32_t stream, std::string_view text) {
    EXPECT_EQ(
        channel.write(stream, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0).number,
        static_cast<std::int32_t>(text.size()));
  }

  StubWorker engine_worker;
  RecordingConnection connection;
  Channel channel;
  WorkerPart& worker;
  ConnectionState* state = nullptr;
  std::uint32_t head = 0;
};

}  // namespace knul::channel
