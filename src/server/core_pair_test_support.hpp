// A server core and a client core on a wire without delay or loss, in virtual time, for tests of this folder.
// tests/sim has the impaired network.
#pragma once

#include <functional>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "server/worker_core.hpp"

namespace knul::server {

// Does what the test sets, and records its events.
class ScriptedApplication final : public krepis::Application {
 public:
  struct Record {
    krepis::Worker* worker = nullptr;
    krepis::Connection* connection = nullptr;
    std::vector<krepis::StreamId> opened, closed;
    std::vector<std::uint64_t> resets, stops;
    std::vector<krepis::CloseReason> connections_closed;
    int drains = 0;
    std::size_t received_bytes = 0;
    std::function<void(krepis::Stream&)> on_opened, on_closed;
    std::function<void(krepis::Stream&, krepis::Fin)> on_data;
    std::function<void(krepis::Connection&)> on_connection_closed;
  };

  explicit ScriptedApplication(Record& record) : record_(record) {}
  void on_start(krepis::Worker& worker) override { record_.worker = &worker; }
  void on_connection(krepis::Connection& connection) override { record_.connection = &connection; }
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason& reason) override {
    record_.connection = nullptr;
    record_.connections_closed.push_back(reason);
    if (record_.on_connection_closed) {
      record_.on_connection_closed(connection);
    }
  }
  void on_stream_opened(krepis::Stream& stream) override {
    record_.opened.push_back(stream.id());
    if (record_.on_opened) {
      record_.on_opened(stream);
    }
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    record_.received_bytes += bytes.size();
    stream.consume(bytes.size());
    if (record_.on_data) {
      record_.on_data(stream, fin);
    }
  }
  void on_stream_reset(krepis::Stream& /*stream*/, std::uint64_t code) override {
    record_.resets.push_back(code);
  }
  void on_stop_sending(krepis::Stream& /*stream*/, std::uint64_t code) override {
    record_.stops.push_back(code);
  }
  void on_stream_closed(krepis::Stream& stream) override {
    record_.closed.push_back(stream.id());
    if (record_.on_closed) {
      record_.on_closed(stream);
    }
  }
  void on_drain(std::chrono::milliseconds) override { ++record_.drains; }

 private:
  Record& record_;
};

class CorePair {
 public:
  enum class ServerProgram : bool { kNone, kScripted };

  explicit CorePair(ServerProgram program = ServerProgram::kScripted,
                    const std::function<void(quic::EndpointOptions& server)>& change = {}) {
    quic::EndpointOptions server_options = quic::EndpointPair::options();
    quic::EndpointOptions client_options = quic::EndpointPair::options();
    server_options.server_tls = quic::EndpointPair::server_tls({"knul"});
    client_options.client_tls = quic::EndpointPair::client_tls({"knul"});
    if (change) {
      change(server_options);
    }
    const auto post = [this](std::function<void()> task) {
      posted.push_back(std::move(task));
      return true;
    };
    std::unique_ptr<krepis::Application> application;
    if (program == ServerProgram::kScripted) {
      application = std::make_unique<ScriptedApplication>(server_record);
    }
    server = std::make_unique<WorkerCore>(server_options, CoreEnvironment{random, log, server_counters, post},
                                          std::move(application), now);
    client = std::make_unique<WorkerCore>(client_options, CoreEnvironment{random, log, client_counters, post},
                                          std::make_unique<ScriptedApplication>(client_record), now);
  }

  // Connects, and completes the packets that follow the handshake.
  void shake_hands() {
    ASSERT_TRUE(client->connect({quic::EndpointPair::path(), "localhost", 42}, now).has_value());
    advance(std::chrono::milliseconds(100));
  }
  krepis::StreamId send_request(std::string_view text, krepis::Fin fin = krepis::Fin::kYes) {
    krepis::Stream& stream = **client_record.connection->open_stream(krepis::StreamDirection::kBidirectional);
    stream.write(quic::bytes_of(std::string(text)), fin);
    return stream.id();
  }
  void run() {
    for (int turn = 0; turn < 10'000 && (client->wants_send() || server->wants_send()); ++turn) {
      now += std::chrono::microseconds(50);
      carry(*client, *server);
      carry(*server, *client);
    }
  }
  void advance(base::Duration duration) {
    const base::Instant end = now + duration;
    while (true) {
      run();
      // A worker that has finished its drain runs no more turns.
      const base::Instant servers = server->is_drained(now) ? base::kNever : server->next_expiry();
      const base::Instant next = std::min(client->next_expiry(), servers);
      if (next > end) {
        break;
      }
      now = std::max(now, next);
      client->handle_expiry(now);
      server->handle_expiry(now);
    }
    now = std::max(now, end);
  }
  void carry(WorkerCore& from, WorkerCore& to) {
    base::SendBatch batch({});
    from.poll_send(batch, now);
    for (const base::Train& train : batch.trains()) {
      std::span<const std::uint8_t> rest = batch.bytes(train);
      while (!rest.empty() && !is_cut) {
        const auto packet = rest.first(std::min<std::size_t>(rest.size(), train.segment_bytes));
        rest = rest.subspan(packet.size());
        std::ignore = to.handle_datagram({{train.path.remote, train.path.local}, train.ecn, packet}, now);
      }
    }
  }

  base::Instant now{std::chrono::hours(1)};
  bool is_cut = false;  // nothing arrives
  quic::SeededRandom random{1};
  base::NullLogSink log;
  stats::WorkerCounters server_counters, client_counters;
  ScriptedApplication::Record server_record, client_record;
  std::vector<std::function<void()>> posted;
  std::unique_ptr<WorkerCore> server, client;
};

}  // namespace knul::server
