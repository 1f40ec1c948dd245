#include <krepis/krepis.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "loopback/blocking_client.hpp"
#include "loopback/test_server.hpp"

namespace knul::test {
namespace {

using namespace std::chrono_literals;

TEST(QuicServer, EchoesOverIpv4AndIpv6) {
  for (const std::string host : {"127.0.0.1", "::1"}) {
    krepis::ServerOptions options = server_options();
    options.host = host;
    const auto server = start_echo(options);
    krepis::ClientOptions client_options = BlockingClient::insecure();
    client_options.local_address = host == "::1" ? "::" : "0.0.0.0";
    BlockingClient client(client_options);
    ASSERT_TRUE(client.connect(server->port(), 0, host));
    const auto stream = client.send("hello");
    ASSERT_TRUE(stream.has_value());
    EXPECT_EQ(client.wait_answer(*stream), "hello");
  }
}

TEST(QuicServer, CountsWhatItServed) {
  const auto server = start_echo();
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(client.wait_answer(*client.send(std::string(1'000, 'x'))), std::string(1'000, 'x'));
  }
  const krepis::Statistics stats = server->stats();
  EXPECT_EQ(stats.total_requests, 10U);
  EXPECT_EQ(stats.active_connections, 1U);
  EXPECT_GT(stats.total_bytes_in, 10'000U);
  EXPECT_GT(stats.total_bytes_out, 10'000U);
  EXPECT_GT(stats.avg_latency_ms, 0.0);
  EXPECT_EQ(stats.error_count, 0U);
}

TEST(QuicServer, ServesManyConnectionsOnEveryWorkerAndWithOneSocket) {
  for (const std::string steering : {"auto", "single_socket"}) {
    krepis::ServerOptions options = server_options();
    options.workers = 4;
    options.steering = steering;
    const auto server = start_echo(options);
    // A client of its own per connection: the kernel spreads by source port.
    for (int i = 0; i < 12; ++i) {
      BlockingClient client;
      ASSERT_TRUE(client.connect(server->port())) << steering;
      ASSERT_EQ(client.wait_answer(*client.send("abc")), "abc") << steering;
    }
    EXPECT_EQ(server->stats().total_requests, 12U);
  }
}

TEST(QuicServer, LooksForPacketsBeforeItSleeps) {
  for (const std::string steering : {"auto", "single_socket"}) {
    krepis::ServerOptions options = server_options();
    options.busy_poll_us = 1'000;
    options.steering = steering;
    const auto server = start_echo(options);
    krepis::ClientOptions client_options = BlockingClient::insecure();
    client_options.busy_poll_us = 1'000;
    BlockingClient client(client_options);
    ASSERT_TRUE(client.connect(server->port()));
    // On a busy machine an answer may take longer than the look for it.
    for (int i = 0; i < 10'000 && value_in(statistics_of(*server), "busy_polls_hit") == 0; ++i) {
      ASSERT_EQ(client.wait_answer(*client.send("abc")), "abc") << steering;
    }
    const std::string json = statistics_of(*server);
    EXPECT_GT(value_in(json, "busy_polls_hit"), 0U) << steering;
    EXPECT_GE(value_in(json, "busy_polls"), value_in(json, "busy_polls_hit")) << steering;
    const auto report = server->stop(5s);
    ASSERT_TRUE(report.has_value()) << steering;
    EXPECT_TRUE(report->clean) << steering;
  }
}

TEST(QuicServer, DoesNotLookForPacketsUnlessAsked) {
  const auto server = start_echo();
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  ASSERT_EQ(client.wait_answer(*client.send("abc")), "abc");
  EXPECT_EQ(value_in(statistics_of(*server), "busy_polls"), 0U);
}

// Echoes requests and notes how many connections and streams one turn tells of. The request "wait" holds the
// worker up until the gate opens.
class TurnCounter final : public krepis::Application {
 public:
  struct Shared {
    std::promise<void> waits;
    std::promise<void> gate;
    std::atomic<std::size_t> most{0};
    std::atomic<std::size_t> most_streams{0};
  };
  explicit TurnCounter(Shared& shared) : shared_(shared) {}

  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    told_.insert(stream.connection().id());
    shared_.most = std::max(shared_.most.load(), told_.size());
    shared_.most_streams = std::max(shared_.most_streams.load(), ++streams_);
    stream.consume(bytes.size());
    if (std::string(bytes.begin(), bytes.end()) == "wait") {
      shared_.waits.set_value();
      shared_.gate.get_future().wait_for(20s);
    }
    stream.write(bytes, fin);
  }
  void on_input_done() override {
    told_.clear();
    streams_ = 0;
  }

 private:
  Shared& shared_;
  std::set<std::uint64_t> told_;
  std::size_t streams_ = 0;
};

TEST(QuicServer, ServesSomeConnectionsBeforeItReadsMore) {
  constexpr std::size_t kMostPerTurn = 16;
  constexpr std::uint64_t kConnections = 60;
  TurnCounter::Shared shared;
  krepis::ServerOptions options = server_options();
  options.workers = 1;
  const auto server = start_server(options, [&](unsigned) { return std::make_unique<TurnCounter>(shared); });
  BlockingClient client;
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    ASSERT_TRUE(client.connect(server->port(), context));
  }
  std::vector<std::optional<krepis::StreamId>> streams = {client.send("wait", 0)};
  ASSERT_EQ(shared.waits.get_future().wait_for(20s), std::future_status::ready);
  for (std::uint64_t context = 1; context < kConnections; ++context) {
    streams.push_back(client.send("now", context));
  }
  // When the client's thread comes to this, what was written before is with the server's socket, but perhaps
  // the last of it.
  ASSERT_TRUE(client.on_connection(0, [](krepis::Connection&) {}));
  shared.gate.set_value();
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    ASSERT_TRUE(streams[context].has_value());
    EXPECT_EQ(client.wait_answer(*streams[context], context), context == 0 ? "wait" : "now");
  }
  EXPECT_LE(shared.most, kMostPerTurn);
  EXPECT_GT(shared.most, kMostPerTurn / 2) << "too little came at once for this to show anything";
}

// The first windows of so many connections hold more frames than a turn takes, and no more packets than it
// takes: a request of one byte is a frame of five.
TEST(QuicServer, EndsATurnAfterSomeFrames) {
  constexpr std::size_t kFramesPerTurn = 16'384;
  constexpr std::size_t kFramesOfAPacket = 300;  // a turn ends between packets
  constexpr std::uint64_t kConnections = 12;
  constexpr std::size_t kStreams = 2'000;
  TurnCounter::Shared shared;
  krepis::ServerOptions options = server_options();
  options.workers = 1;
  options.max_streams = kStreams + 1;
  const auto server = start_server(options, [&](unsigned) { return std::make_unique<TurnCounter>(shared); });
  BlockingClient client;
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    ASSERT_TRUE(client.connect(server->port(), context));
  }
  const auto waiting = client.send("wait", 0);
  ASSERT_EQ(shared.waits.get_future().wait_for(20s), std::future_status::ready);
  std::vector<krepis::StreamId> last(kConnections);
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    std::uint64_t sent_before = 0;
    const bool is_asked = client.on_connection(context, [&](krepis::Connection& connection) {
      sent_before = connection.info().bytes_sent;
      for (std::size_t i = 0; i < kStreams; ++i) {
        krepis::Stream& stream = **connection.open_stream(krepis::StreamDirection::kBidirectional);
        last[context] = stream.id();
        const std::uint8_t byte = 'a';
        EXPECT_EQ(stream.write(std::span(&byte, 1), krepis::Fin::kYes), 1U);
      }
    });
    ASSERT_TRUE(is_asked);
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    for (std::uint64_t sent = 0; sent < 5 * kStreams;) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << sent << " bytes sent by " << context;
      std::this_thread::sleep_for(1ms);
      client.on_connection(context, [&](krepis::Connection& connection) {
        sent = connection.info().bytes_sent - sent_before;
      });
    }
  }
  shared.gate.set_value();
  EXPECT_EQ(client.wait_answer(*waiting, 0), "wait");
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    EXPECT_EQ(client.wait_answer(last[context], context), "a");
  }
  EXPECT_LE(shared.most_streams, kFramesPerTurn + kFramesOfAPacket);
  EXPECT_GT(shared.most_streams, kFramesPerTurn / 2) << "too little came at once for this to show anything";
}

TEST(QuicServer, RefusesStreamsWithADocumentedCodeWhenNobodyConsumesThem) {
  const auto server = start_server(server_options(), nullptr);
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  const auto stream = client.send("anybody there?");
  EXPECT_EQ(client.wait_reset(*stream), static_cast<std::uint64_t>(krepis::LibraryCode::kNoConsumer));
}

TEST(QuicServer, RefusesAnUnknownProtocol) {
  const auto server = start_echo();
  krepis::ClientOptions options = BlockingClient::insecure();
  options.alpn = {"something-else"};
  BlockingClient client(options);
  EXPECT_FALSE(client.connect(server->port()));
  EXPECT_EQ(client.wait_closed()->code, 0x178U);
}

TEST(QuicServer, IsTrustedByAClientThatKnowsItsRootAndByNoOther) {
  const auto server = start_echo();
  static const TestCredentials stranger;
  for (const bool is_trusted : {true, false}) {
    krepis::ClientOptions options;
    options.ca_path = is_trusted ? server_options().cert_path : stranger.files.ca_path;
    BlockingClient client(options);
    EXPECT_EQ(client.connect(server->port()), is_trusted);
  }
}

TEST(QuicServer, ResumesTheSessionOfAClientThatKnowsItsRootUnlessToldNotTo) {
  const auto server = start_echo();
  for (const bool resumes : {true, false}) {
    krepis::ClientOptions options;
    options.ca_path = server_options().cert_path;
    options.resume_sessions = resumes;
    BlockingClient client(options);
    for (const std::uint64_t context : {0, 1}) {
      ASSERT_TRUE(client.connect(server->port(), context));
      // The ticket is sent before the answer.
      ASSERT_TRUE(client.wait_answer(*client.send("hello", context), context));
      EXPECT_TRUE(client.on_connection(context, [&](krepis::Connection& connection) {
        EXPECT_EQ(connection.is_resumed(), resumes && context == 1);
      }));
    }
  }
}

TEST(QuicServer, ListsItsConnections) {
  const auto server = start_echo();
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  ASSERT_TRUE(client.wait_answer(*client.send("the handshake is complete on both sides")));
  std::string json;
  ASSERT_TRUE(server->connections_json(json).has_value());
  EXPECT_NE(json.find("\"peer\":\"127.0.0.1:"), std::string::npos) << json;
  EXPECT_NE(json.find("\"alpn\":\"knul\""), std::string::npos) << json;
}

TEST(QuicServer, StopsCleanlyAndOnlyOnce) {
  const auto server = start_echo();
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  ASSERT_TRUE(client.wait_answer(*client.send("the handshake is complete on both sides")));
  const auto report = server->stop(5s);
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->clean);
  EXPECT_EQ(report->connections_closed, 1U);
  EXPECT_LT(report->elapsed, 2s);
  EXPECT_EQ(client.wait_closed()->code, 0U);
  EXPECT_FALSE(server->stop(5s).has_value());
  EXPECT_FALSE(server->is_running());
}

TEST(QuicServer, ReleasesItsPortSoThatTheNextOneCanHaveIt) {
  bool is_had = false;
  // The kernel may give it to another program meanwhile: then again, with another port.
  for (int attempt = 0; attempt < 5 && !is_had; ++attempt) {
    krepis::ServerOptions options = server_options();
    auto server = start_echo(options);
    options.port = server->port();
    const auto second = krepis::QuicServer::start(options);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, krepis::ErrorCode::kNetworkError);
    server.reset();
    is_had = krepis::QuicServer::start(options).has_value();
  }
  EXPECT_TRUE(is_had);
}

TEST(QuicServer, CarriesDatagrams) {
  const auto server = start_echo();
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  client.on_connection(0, [](krepis::Connection& connection) {
    const std::string text = "ping";
    EXPECT_TRUE(connection.send_datagram({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
  });
  EXPECT_EQ(client.wait_datagram(), "ping");
}

}  // namespace
}  // namespace knul::test
