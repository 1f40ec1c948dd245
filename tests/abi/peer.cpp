#include "peer.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <krepis/krepis.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace {

constexpr auto kPatience = std::chrono::seconds(20);

struct StreamRecord {
  std::uint64_t received = 0;
  std::uint64_t unconsumed = 0;
  bool is_as_expected = true;
  bool has_fin = false;
  bool is_closed = false;
  std::optional<std::uint64_t> reset_code, stop_code;
  std::uint64_t written = 0;
  std::uint64_t to_write = 0;
  bool wants_fin = false;
};

// What both threads know. Lifetime: both sides hold it.
struct State {
  std::recursive_mutex mutex;  // a call on the connection may end a stream, which is told within it
  std::condition_variable_any changed;
  krepis::Connection* connection = nullptr;  // Thread: used on the client's only
  bool is_closed = false;
  krepis::CloseReason reason;
  bool is_holding = false;
  std::map<krepis::StreamId, StreamRecord> streams;
  std::vector<krepis::StreamId> opened_by_server, finished;
  std::uint32_t datagrams = 0;

  void tell(const std::function<void()>& change) {
    const std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
  bool wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    // By the system clock: ThreadSanitizer of gcc 12 does not know the wait on the steady one.
    return changed.wait_until(lock, std::chrono::system_clock::now() + kPatience, condition);
  }
};

// Thread: the client's, with the lock held.
void write_more(krepis::Stream& to, StreamRecord& stream) {
  std::vector<std::uint8_t> bytes;
  while (stream.to_write > 0 || stream.wants_fin) {
    bytes.resize(std::min<std::uint64_t>(stream.to_write, 64 << 10));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = peer_pattern(stream.written + i);
    }
    const bool is_last = bytes.size() == stream.to_write;
    const std::size_t taken =
        to.write(bytes, is_last && stream.wants_fin ? krepis::Fin::kYes : krepis::Fin::kNo);
    stream.written += taken;
    stream.to_write -= taken;
    if (taken < bytes.size()) {
      return;
    }
    if (is_last) {
      stream.wants_fin = false;
      return;
    }
  }
}

class Listener final : public krepis::Application {
 public:
  explicit Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void on_connection(krepis::Connection& connection) override {
    state_->tell([&] { state_->connection = &connection; });
  }
  void on_connection_closed(krepis::Connection&, const krepis::CloseReason& reason) override {
    state_->tell([&] {
      state_->connection = nullptr;
      state_->is_closed = true;
      state_->reason = reason;
    });
  }
  void on_stream_opened(krepis::Stream& stream) override {
    state_->tell([&] { state_->opened_by_server.push_back(stream.id()); });
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    state_->tell([&] {
      StreamRecord& record = state_->streams[stream.id()];
      for (const std::uint8_t byte : bytes) {
        record.is_as_expected = record.is_as_expected && byte == peer_pattern(record.received);
        ++record.received;
      }
      if (state_->is_holding) {
        record.unconsumed += bytes.size();
      } else {
        stream.consume(bytes.size());
      }
      if (fin == krepis::Fin::kYes) {
        record.has_fin = true;
        state_->finished.push_back(stream.id());
      }
    });
  }
  void on_stream_writable(krepis::Stream& stream) override {
    state_->tell([&] { write_more(stream, state_->streams[stream.id()]); });
  }
  void on_stream_reset(krepis::Stream& stream, std::uint64_t code) override {
    state_->tell([&] { state_->streams[stream.id()].reset_code = code; });
  }
  void on_stop_sending(krepis::Stream& stream, std::uint64_t code) override {
    state_->tell([&] { state_->streams[stream.id()].stop_code = code; });
  }
  void on_stream_closed(krepis::Stream& stream) override {
    state_->tell([&] { state_->streams[stream.id()].is_closed = true; });
  }
  void on_datagram(krepis::Connection&, std::span<const std::uint8_t>) override {
    state_->tell([&] { ++state_->datagrams; });
  }

 private:
  std::shared_ptr<State> state_;
};

// Nothing if the stream has ended.
template <class Call>
void on_stream(krepis::Connection& connection, std::int64_t id, Call call) {
  if (krepis::Stream* const stream = connection.find_stream(static_cast<krepis::StreamId>(id))) {
    call(*stream);
  }
}

int fail(const char* what) {
  std::fprintf(stderr, "peer: %s\n", what);
  return -1;
}

}  // namespace

struct Peer {
  std::shared_ptr<State> state = std::make_shared<State>();
  std::unique_ptr<krepis::QuicClient> client;

  // Runs on the client's thread with the lock held; false also when the connection is gone.
  bool run(std::function<bool(krepis::Connection&)> action) {
    struct Result {
      bool is_done = false;
      bool is_well = false;
    };
    const auto result = std::make_shared<Result>();
    client->post([state = state, result, action = std::move(action)] {
      state->tell([&] { *result = {true, state->connection != nullptr && action(*state->connection)}; });
    });
    return state->wait([&] { return result->is_done; }) && result->is_well;
  }
  int run(const char* what, std::function<bool(krepis::Connection&)> action) {
    return run(std::move(action)) ? 0 : fail(what);
  }
  int wait(const char* what, const std::function<bool()>& condition) {
    return state->wait(condition) ? 0 : fail(what);
  }
  // The entry of a list that grows, or -1.
  std::int64_t wait_for(const char* what, const std::vector<krepis::StreamId>& list, std::uint32_t index);
  StreamRecord& stream(std::int64_t id) { return state->streams[static_cast<krepis::StreamId>(id)]; }
};

Peer* peer_connect_briefly(std::uint16_t port) { return peer_connect_as(port, nullptr, nullptr); }

Peer* peer_connect_as(std::uint16_t port, const char* cert_path, const char* key_path) {
  auto peer = std::make_unique<Peer>();
  krepis::ClientOptions options;
  options.verify_peer = false;
  options.cert_path = cert_path == nullptr ? "" : cert_path;
  options.key_path = key_path == nullptr ? "" : key_path;
  auto client = krepis::QuicClient::start(options, std::make_unique<Listener>(peer->state));
  if (!client || !(*client)->connect("127.0.0.1", port, "localhost", 0)) {
    fail("no client");
    return nullptr;
  }
  peer->client = *std::move(client);
  State& state = *peer->state;
  if (!state.wait([&] { return state.connection != nullptr || state.is_closed; })) {
    fail("no connection");
    return nullptr;
  }
  return peer.release();
}

Peer* peer_connect(std::uint16_t port) {
  std::unique_ptr<Peer> peer(peer_connect_briefly(port));
  const auto is_open = [&] {
    const std::lock_guard lock(peer->state->mutex);
    return !peer->state->is_closed;
  };
  if (peer != nullptr && !is_open()) {
    fail("the connection was closed at once");
    return nullptr;
  }
  return peer.release();
}

void peer_free(Peer* peer) { delete peer; }

int peer_close(Peer* peer, std::uint64_t code) {
  return peer->run("no connection to close", [=](krepis::Connection& connection) {
    connection.close(code, "the peer is done");
    return true;
  });
}

int peer_wait_closed(Peer* peer, std::uint64_t* code) {
  return peer->wait("the connection was not closed", [=] {
    *code = peer->state->reason.code;
    return peer->state->is_closed;
  });
}

std::int64_t peer_open(Peer* peer, int unidirectional) {
  const auto id = std::make_shared<std::int64_t>(-1);
  peer->run([=](krepis::Connection& connection) {
    const auto opened = connection.open_stream(unidirectional != 0 ? krepis::StreamDirection::kUnidirectional
                                                                   : krepis::StreamDirection::kBidirectional);
    *id = opened ? static_cast<std::int64_t>((*opened)->id()) : -1;
    return true;
  });
  return *id;
}

int peer_write(Peer* peer, std::int64_t id, std::uint64_t length, int fin) {
  return peer->run("no connection to write to", [=](krepis::Connection& connection) {
    StreamRecord& stream = peer->stream(id);
    stream.to_write += length;
    stream.wants_fin = fin != 0;
    on_stream(connection, id, [&](krepis::Stream& to) { write_more(to, stream); });
    return true;
  });
}

int peer_reset(Peer* peer, std::int64_t id, std::uint64_t code) {
  return peer->run("no connection to reset a stream of", [=](krepis::Connection& connection) {
    on_stream(connection, id, [&](krepis::Stream& stream) { stream.reset(code); });
    return true;
  });
}

int peer_stop_sending(Peer* peer, std::int64_t id, std::uint64_t code) {
  return peer->run("no connection to stop a stream of", [=](krepis::Connection& connection) {
    on_stream(connection, id, [&](krepis::Stream& stream) { stream.stop_sending(code); });
    return true;
  });
}

int peer_hold(Peer* peer, int is_holding) {
  return peer->run("no connection to hold", [=](krepis::Connection& connection) {
    peer->state->is_holding = is_holding != 0;
    for (auto& [id, record] : peer->state->streams) {
      krepis::Stream* const stream = is_holding == 0 ? connection.find_stream(id) : nullptr;
      if (stream != nullptr) {
        stream->consume(std::exchange(record.unconsumed, 0));
      }
    }
    return true;
  });
}

int peer_wait_bytes(Peer* peer, std::int64_t id, std::uint64_t length) {
  return peer->wait("the bytes of the pattern did not come",
                    [=] { return peer->stream(id).received >= length && peer->stream(id).is_as_expected; });
}

int peer_wait_fin(Peer* peer, std::int64_t id, std::uint64_t* length) {
  return peer->wait("FIN after the bytes of the pattern did not come", [=] {
    *length = peer->stream(id).received;
    return peer->stream(id).has_fin && peer->stream(id).is_as_expected;
  });
}

int peer_wait_reset(Peer* peer, std::int64_t id, std::uint64_t* code) {
  return peer->wait("RESET_STREAM did not come", [=] {
    *code = peer->stream(id).reset_code.value_or(0);
    return peer->stream(id).reset_code.has_value();
  });
}

int peer_wait_stop_sending(Peer* peer, std::int64_t id, std::uint64_t* code) {
  return peer->wait("STOP_SENDING did not come", [=] {
    *code = peer->stream(id).stop_code.value_or(0);
    return peer->stream(id).stop_code.has_value();
  });
}

std::int64_t Peer::wait_for(const char* what, const std::vector<krepis::StreamId>& list,
                            std::uint32_t index) {
  std::int64_t id = -1;
  wait(what, [&] {
    id = list.size() > index ? static_cast<std::int64_t>(list[index]) : -1;
    return id >= 0;
  });
  return id;
}

std::int64_t peer_wait_opened(Peer* peer, std::uint32_t index) {
  return peer->wait_for("the server opened no stream", peer->state->opened_by_server, index);
}

std::int64_t peer_wait_finished(Peer* peer, std::uint32_t index) {
  return peer->wait_for("no stream finished", peer->state->finished, index);
}

PeerStream peer_look(Peer* peer, std::int64_t id) {
  const std::lock_guard lock(peer->state->mutex);
  const StreamRecord& stream = peer->stream(id);
  return {.received = stream.received,
          .is_pattern = stream.is_as_expected ? 1 : 0,
          .has_fin = stream.has_fin ? 1 : 0,
          .has_reset = stream.reset_code ? 1 : 0,
          .has_stop = stream.stop_code ? 1 : 0,
          .is_closed = stream.is_closed ? 1 : 0,
          .reset_code = stream.reset_code.value_or(0),
          .stop_code = stream.stop_code.value_or(0)};
}

int peer_wait_stream_closed(Peer* peer, std::int64_t id) {
  return peer->wait("the stream was not closed", [=] { return peer->stream(id).is_closed; });
}

int peer_send_datagram(Peer* peer, std::uint32_t length) {
  return peer->run("no datagram was taken", [=](krepis::Connection& connection) {
    std::vector<std::uint8_t> bytes(length);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = peer_pattern(i);
    }
    return connection.send_datagram(bytes);
  });
}

int peer_wait_datagrams(Peer* peer, std::uint32_t count) {
  return peer->wait("datagrams did not come", [=] { return peer->state->datagrams >= count; });
}
