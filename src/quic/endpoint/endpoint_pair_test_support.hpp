// A server and a client endpoint on a wire without delay or loss, in virtual time, for tests of this folder.
// The simulator in tests/sim has the impaired network.
#pragma once

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "quic/endpoint/endpoint.hpp"
#include "quic/memory/poisoning_pages_test_support.hpp"
#include "quic/wire/seeded_random_test_support.hpp"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace knul::quic {

// Records all events, and answers if the test sets that.
class RecordingObserver final : public ConnectionObserver {
 public:
  void on_handshake_completed(Connection& connection) override { connections.push_back(&connection); }
  void on_closed(Connection& connection, const CloseCause& cause) override {
    std::erase(connections, &connection);
    connection.streams().for_each([this](Stream& stream) { streams_cut.push_back(stream.id); });
    closed.push_back(cause);
  }
  void on_stream_opened(Connection&, Stream& stream) override { opened.push_back(stream.id); }
  void on_stream_data(Connection& connection, Stream& stream, std::span<const std::uint8_t> bytes,
                      Fin fin) override {
    std::string& text = received[stream.id];
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (consumes)
      connection.streams().consume(stream, bytes.size());
    if (fin == Fin::kYes)
      finished.push_back(stream.id);
    if (on_data)
      on_data(connection, stream, fin);
  }
  void on_stream_reset(Connection&, Stream&, std::uint64_t code) override { resets.push_back(code); }
  void on_stop_sending(Connection&, Stream&, std::uint64_t code) override { stops.push_back(code); }
  void on_stream_writable(Connection& connection, Stream& stream) override {
    if (on_writable)
      on_writable(connection, stream);
  }
  void on_stream_fin_sent(Connection&, Stream& stream) override { fins_sent.push_back(stream.id); }
  void on_stream_closed(Connection& connection, Stream& stream) override {
    streams_closed.push_back(stream.id);
    if (on_end)
      on_end(connection, stream);
  }
  void on_streams_available(Connection&, StreamDirection) override { ++streams_available; }
  void on_datagram(Connection&, std::span<const std::uint8_t> bytes) override {
    datagrams.emplace_back(bytes.begin(), bytes.end());
  }
  void on_datagram_writable(Connection&) override { ++datagrams_writable; }
  void on_datagram_fate(Connection& connection, std::uint32_t context, DatagramFate fate) override {
    fates.emplace_back(context, fate);
    if (on_fate)
      on_fate(connection);
  }

  bool consumes = true;
  int datagrams_writable = 0;
  std::vector<std::pair<std::uint32_t, DatagramFate>> fates;
  std::function<void(Connection&, Stream&, Fin)> on_data;
  std::function<void(Connection&, Stream&)> on_writable;
  std::function<void(Connection&)> on_fate;
  std::function<void(Connection&, Stream&)> on_end;  // in on_stream_closed
  std::vector<Connection*> connections;
  std::vector<CloseCause> closed;
  std::vector<std::int64_t> opened, finished, fins_sent, streams_closed, streams_cut;
  std::vector<std::uint64_t> resets, stops;
  std::map<std::int64_t, std::string> received;
  std::vector<std::string> datagrams;
  int streams_available = 0;
};

inline std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct TestPem {
  std::string certificate;
  std::string key;
};

inline std::shared_ptr<const CertificatePair> load_pair(const TestPem& pem) {
  return *CertificatePair::load({.certificate = bytes_of(pem.certificate), .key = bytes_of(pem.key)});
}

// One certificate for all tests of the process.
inline const TestPem& test_pem() {
  static const TestPem pem = [] {
    const auto read = [](const char* path) {
      std::ifstream file(path);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const test::TemporaryFolder folder;
    KnulTestCertificateFiles files;
    if (knul_test_write_certificates(folder.path().c_str(), "quic", nullptr, &files) != 0)
      std::abort();
    return TestPem{read(files.cert_path), read(files.key_path)};
  }();
  return pem;
}

class EndpointPair {
 public:
  using Change = std::function<void(EndpointOptions& server, EndpointOptions& client)>;

  explicit EndpointPair(const Change& change = {}) {
    EndpointOptions server_options = options();
    EndpointOptions client_options = options();
    // Made once: reading a key takes longer than a handshake.
    static const auto usual_server_tls = server_tls({"knul"});
    static const auto usual_client_tls = client_tls({"knul"});
    server_options.server_tls = usual_server_tls;
    client_options.client_tls = usual_client_tls;
    if (change)
      change(server_options, client_options);
    server = std::make_unique<Endpoint>(server_options, server_observer, random, log, server_counters);
    client = std::make_unique<Endpoint>(client_options, client_observer, random, log, client_counters);
  }

  static EndpointOptions options() {
    EndpointOptions options;
    options.static_secret.assign(32, 7);
    options.pages = &PoisoningPages::shared();
    return options;
  }
  static std::shared_ptr<const TlsServerContext> server_tls(std::vector<std::string> alpn) {
    return *TlsServerContext::create({.pairs = {load_pair(test_pem())}, .alpn = std::move(alpn)});
  }
  static std::shared_ptr<const TlsClientContext> client_tls(std::vector<std::string> alpn) {
    return *TlsClientContext::create({.alpn = std::move(alpn), .ca_pem = {}, .verify_peer = false});
  }

  Connection& connect() { return **client->connect({path(), "localhost", 42}, now); }
  static base::Path path() {
    return {*base::SocketAddress::parse("127.0.0.1", 40'000),
            *base::SocketAddress::parse("127.0.0.1", 4'433)};
  }

  // Carries packets in both directions until both endpoints are idle.
  void run() {
    for (int turn = 0; turn < 10'000 && (client->wants_send() || server->wants_send()); ++turn) {
      now += std::chrono::microseconds(50);
      carry(*client, *server);
      carry(*server, *client);
    }
  }
  // Advances the time, and runs the timers that expire.
  void advance(base::Duration duration) {
    const base::Instant end = now + duration;
    while (true) {
      run();
      const base::Instant next = std::min(client->next_expiry(), server->next_expiry());
      if (next > end)
        break;
      now = std::max(now, next);
      client->handle_expiry(now);
      server->handle_expiry(now);
    }
    now = std::max(now, end);
  }
  // Completes the handshake and the packets that follow it.
  void shake_hands() {
    connect();
    advance(std::chrono::milliseconds(100));
  }
  Connection& server_connection() { return *server_observer.connections.at(0); }
  Connection& client_connection() { return *client_observer.connections.at(0); }

  void carry(Endpoint& from, Endpoint& to) {
    batch.clear();
    from.poll_send(batch, now);
    for (const base::Train& train : batch.trains()) {
      std::span<const std::uint8_t> rest = batch.bytes(train);
      while (!rest.empty()) {
        const std::span<const std::uint8_t> packet =
            rest.first(std::min<std::size_t>(rest.size(), train.segment_bytes));
        rest = rest.subspan(packet.size());
        ++packets;
        if (drops && drops(packet, &from == client.get()))
          continue;
        std::ignore = to.handle_datagram({{train.path.remote, train.path.local}, train.ecn, packet}, now);
      }
    }
  }

  // Returns the last packet that the client sends now. None of them arrives.
  std::vector<std::uint8_t> intercept() {
    std::vector<std::uint8_t> last;
    drops = [&](std::span<const std::uint8_t> packet, bool) {
      last.assign(packet.begin(), packet.end());
      return true;
    };
    carry(*client, *server);
    drops = nullptr;
    return last;
  }

  std::function<bool(std::span<const std::uint8_t> packet, bool is_from_client)> drops;
  std::uint64_t packets = 0;
  base::SendBatch batch{{}};  // the packets of the last carry
  base::Instant now{std::chrono::hours(1)};
  SeededRandom random{1};
  base::NullLogSink log;
  RecordingObserver server_observer, client_observer;
  stats::WorkerCounters server_counters, client_counters;
  std::unique_ptr<Endpoint> server, client;
};

}  // namespace knul::quic
