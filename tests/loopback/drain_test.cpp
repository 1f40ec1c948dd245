// The figures of a drain, over real sockets. The simulator repeats them through loss and delay.
#include <gtest/gtest.h>

#include <future>

#include "loopback/blocking_client.hpp"
#include "loopback/test_server.hpp"

namespace knul::test {
namespace {

using namespace std::chrono_literals;

// Answers each request with 50 KB after a time that the request names in milliseconds.
class SlowAnswers final : public krepis::Application {
 public:
  void on_start(krepis::Worker& worker) override { worker_ = &worker; }
  void on_connection(krepis::Connection& connection) override { open_[connection.id()] = &connection; }
  void on_connection_closed(krepis::Connection& connection, const krepis::CloseReason&) override {
    open_.erase(connection.id());
  }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    std::string& request = requests_[{stream.connection().id(), stream.id()}];
    request.append(bytes.begin(), bytes.end());
    stream.consume(bytes.size());
    if (fin == krepis::Fin::kNo)
      return;
    const std::uint64_t connection = stream.connection().id();
    worker_->call_after(std::chrono::milliseconds(std::stoi(request)), [this, connection, id = stream.id()] {
      const auto found = open_.find(connection);
      krepis::Stream* const asked = found == open_.end() ? nullptr : found->second->find_stream(id);
      if (asked != nullptr)
        asked->write(answer_, krepis::Fin::kYes);
    });
  }

 private:
  krepis::Worker* worker_ = nullptr;
  std::map<std::uint64_t, krepis::Connection*> open_;
  std::map<std::pair<std::uint64_t, krepis::StreamId>, std::string> requests_;
  std::vector<std::uint8_t> answer_ = std::vector<std::uint8_t>(50'000, 'a');
};

std::unique_ptr<krepis::QuicServer> start_slow_server() {
  return start_server(server_options(), [](unsigned) { return std::make_unique<SlowAnswers>(); });
}

TEST(Drain, LosesNoRequestThatIsInFlight) {
  constexpr std::uint64_t kConnections = 100;
  constexpr int kRequests = 10;
  const auto server = start_slow_server();
  BlockingClient client;
  std::vector<std::pair<std::uint64_t, krepis::StreamId>> requests;
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    ASSERT_TRUE(client.connect(server->port(), context));
  }
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    for (int i = 0; i < kRequests; ++i) {
      const auto stream =
          client.send(std::to_string(200 + (context * 37 + static_cast<unsigned>(i) * 211) % 1'800), context);
      ASSERT_TRUE(stream.has_value());
      requests.emplace_back(context, *stream);
    }
  }
  ASSERT_TRUE(wait_until([&] { return server->stats().total_requests == kConnections * kRequests; }));

  const auto report = server->stop(5s);

  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->clean);
  EXPECT_EQ(report->connections_closed, kConnections);
  EXPECT_EQ(report->streams_cut, 0U);
  for (const auto& [context, stream] : requests) {
    const auto answer = client.wait_answer(stream, context);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->size(), 50'000U);
  }
  for (std::uint64_t context = 0; context < kConnections; ++context) {
    const auto reason = client.wait_closed(context);
    ASSERT_TRUE(reason.has_value());
    EXPECT_EQ(reason->source, krepis::CloseReason::Source::kPeerApplication);
    EXPECT_EQ(reason->code, 0U);
  }
}

TEST(Drain, CutsOneStuckClientAtTheDeadlineAndNobodyElse) {
  const auto server = start_slow_server();
  krepis::ClientOptions narrow = BlockingClient::insecure();
  narrow.initial_max_stream_data_bytes = 1'024;
  narrow.max_stream_window_bytes = 1'024;
  BlockingClient stuck(narrow);
  BlockingClient other;
  stuck.stop_consuming();
  ASSERT_TRUE(stuck.connect(server->port()));
  ASSERT_TRUE(other.connect(server->port()));
  ASSERT_TRUE(stuck.send("0").has_value());
  const auto stream = other.send("300");
  ASSERT_TRUE(wait_until([&] { return server->stats().total_requests == 2; }));

  const auto report = server->stop(1s);

  ASSERT_TRUE(report.has_value());
  EXPECT_FALSE(report->clean);
  EXPECT_EQ(report->streams_cut, 1U);
  EXPECT_GE(report->bytes_unsent, 48'900U);
  EXPECT_GE(report->elapsed, 1'000ms);
  EXPECT_EQ(other.wait_answer(*stream)->size(), 50'000U);
  EXPECT_EQ(other.wait_closed()->code, 0U);
  EXPECT_EQ(stuck.wait_closed()->code, static_cast<std::uint64_t>(krepis::LibraryCode::kDeadline));
}

TEST(Drain, RefusesConnectionsThatComeWhileItLasts) {
  const auto server = start_slow_server();
  BlockingClient client;
  ASSERT_TRUE(client.connect(server->port()));
  const auto stream = client.send("3000");
  ASSERT_TRUE(wait_until([&] { return server->stats().total_requests == 1; }));
  auto stopping = std::async(std::launch::async, [&] { return server->stop(5s); });
  ASSERT_TRUE(wait_until([&] { return !server->is_running(); }));

  // A worker that has not seen the order yet still accepts.
  const auto is_refused = [&] {
    BlockingClient late;
    return !late.connect(server->port()) && late.wait_closed()->code == 0x2;
  };
  EXPECT_TRUE(wait_until(is_refused));
  EXPECT_TRUE(client.wait_answer(*stream).has_value());
  EXPECT_TRUE(stopping.get()->clean);
}

}  // namespace
}  // namespace knul::test
