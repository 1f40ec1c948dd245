// Once warm, a whole server takes nothing from the global heap either: real sockets, workers that hand
// packets over to each other and wake each other up, and a client with a thread of its own.
#include <krepis/krepis.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "loopback/test_server.hpp"

namespace knul::test {
namespace {

constexpr std::uint64_t kConnections = 8;
constexpr unsigned kAtOnce = 10;  // on each
constexpr std::uint64_t kRequests = 20'000;
// For threads that run otherwise than before, so that a pool grows once more. Seen: 3, and 15 on a busy
// machine.
constexpr std::uint64_t kFewAllocations = kRequests / 100;

// Echoes are asked for in a closed loop. Thread: the client's, but for run().
class Loop {
 public:
  // Blocks until all are answered.
  void run(krepis::QuicClient& client, std::uint64_t requests) {
    std::promise<void> done;
    std::future<void> is_done = done.get_future();
    ASSERT_TRUE(client.post([&] { begin(requests, done); }));
    ASSERT_EQ(is_done.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  }

  void add(krepis::Connection& connection) { connections_.push_back(&connection); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

  void answered(krepis::Connection& connection) {
    if (--unanswered_ == 0) {
      done_->set_value();
    } else {
      ask(connection);
    }
  }

 private:
  void begin(std::uint64_t requests, std::promise<void>& done) {
    unasked_ = unanswered_ = requests;
    done_ = &done;
    for (unsigned i = 0; i < kAtOnce; ++i) {
      for (krepis::Connection* const connection : connections_) {
        ask(*connection);
      }
    }
  }

  void ask(krepis::Connection& connection) {
    static constexpr std::array<std::uint8_t, 100> kRequest{};
    if (unasked_ > 0) {
      --unasked_;
      const auto stream = connection.open_stream(krepis::StreamDirection::kBidirectional);
      ASSERT_TRUE(stream.has_value()) << stream.error().message;
      ASSERT_EQ((*stream)->write(kRequest, krepis::Fin::kYes), kRequest.size());
    }
  }

  std::vector<krepis::Connection*> connections_;
  std::uint64_t unasked_ = 0;
  std::uint64_t unanswered_ = 0;
  std::promise<void>* done_ = nullptr;
};

class Asker final : public krepis::Application {
 public:
  Asker(Loop& loop, std::promise<void>& connected) : loop_(loop), connected_(connected) {}

  void on_connection(krepis::Connection& connection) override {
    loop_.add(connection);
    if (loop_.connections() == kConnections) {
      connected_.set_value();
    }
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    stream.consume(bytes.size());
    if (fin == krepis::Fin::kYes) {
      loop_.answered(stream.connection());
    }
  }

 private:
  Loop& loop_;
  std::promise<void>& connected_;
};

std::uint64_t handed_over(const krepis::QuicServer& server) {
  std::string json;
  server.stats_json(json);
  const std::string name = "\"handovers_in\":";
  return std::stoull(json.substr(json.find(name) + name.size()));
}

TEST(SteadyServer, TakesNothingFromTheHeapWithWorkersThatShareASocket) {
  if (!counts_allocations()) {
    GTEST_SKIP() << "this build has an allocator of its own";
  }
  krepis::ServerOptions options = server_options();
  options.steering = "single_socket";
  const auto server = start_echo(options);
  ASSERT_NE(server, nullptr);
  Loop loop;
  std::promise<void> connected;
  krepis::ClientOptions client_options;
  client_options.verify_peer = false;
  const auto client = krepis::QuicClient::start(client_options, std::make_unique<Asker>(loop, connected));
  ASSERT_TRUE(client.has_value()) << client.error().message;
  for (std::uint64_t i = 0; i < kConnections; ++i) {
    ASSERT_TRUE((*client)->connect("127.0.0.1", server->port(), "localhost", i).has_value());
  }
  ASSERT_EQ(connected.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  ASSERT_NO_FATAL_FAILURE(loop.run(**client, kRequests));

  const std::uint64_t handed_over_before = handed_over(*server);
  const std::uint64_t before = allocation_count();
  ASSERT_NO_FATAL_FAILURE(loop.run(**client, kRequests));
  const std::uint64_t allocations = allocation_count() - before;
  EXPECT_LT(allocations, kFewAllocations) << "for " << kRequests << " requests";
  EXPECT_GT(handed_over(*server), handed_over_before) << "no packet went through another worker";
}

}  // namespace
}  // namespace knul::test
