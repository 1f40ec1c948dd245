#include "cli/perf_requests.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

namespace knul::cli {
namespace {

using krepis::Fin;
using krepis::StreamId;

class TestWorker final : public krepis::Worker {
 public:
  [[nodiscard]] unsigned index() const override { return 0; }
  bool post(std::function<void()> /*task*/) override { return false; }
  void call_after(std::chrono::nanoseconds /*delay*/, std::function<void()> /*task*/) override {}
  [[nodiscard]] std::chrono::nanoseconds now() const override { return std::chrono::nanoseconds(1); }
};

// Counts the requests that are made on it.
class TestConnection final : public krepis::Connection {
 public:
  explicit TestConnection(std::uint64_t context) : context_(context) {}

  std::uint64_t requests = 0;

  [[nodiscard]] bool is_resumed() const override { return false; }
  [[nodiscard]] std::uint64_t context() const override { return context_; }
  krepis::Result<StreamId> open_stream(krepis::StreamDirection /*direction*/) override {
    return 4 * requests++;
  }
  std::size_t write(StreamId /*stream*/, std::span<const std::uint8_t> bytes, Fin /*fin*/) override {
    return bytes.size();
  }
  std::size_t write(StreamId /*stream*/, krepis::SharedBytes bytes, Fin /*fin*/) override {
    return bytes.bytes.size();
  }
  [[nodiscard]] std::uint64_t id() const override { return context_; }
  [[nodiscard]] std::string_view alpn() const override { return {}; }
  [[nodiscard]] std::string_view server_name() const override { return {}; }
  [[nodiscard]] std::string peer_address() const override { return {}; }
  [[nodiscard]] krepis::ConnectionInfo info() const override { return {}; }
  [[nodiscard]] std::size_t writable_bytes(StreamId /*stream*/) const override { return 0; }
  void consume(StreamId /*stream*/, std::size_t /*bytes*/) override {}
  void reset_stream(StreamId /*stream*/, std::uint64_t /*code*/) override {}
  void stop_sending(StreamId /*stream*/, std::uint64_t /*code*/) override {}
  void refuse_stream(StreamId /*stream*/, std::uint64_t /*code*/) override {}
  void set_priority(StreamId /*stream*/, krepis::StreamPriority /*priority*/) override {}
  void drop_datagram() override {}
  void retain_stream(StreamId /*stream*/) override {}
  void release_stream(StreamId /*stream*/) override {}
  bool send_datagram(std::span<const std::uint8_t> /*bytes*/) override { return false; }
  krepis::DatagramOutcome send_datagram(std::span<const std::uint8_t> /*bytes*/,
                                        const krepis::DatagramOptions& /*options*/) override {
    return {};
  }
  [[nodiscard]] std::size_t max_datagram_bytes() const override { return 0; }
  void close(std::uint64_t /*code*/, std::string_view /*reason*/) override {}

 private:
  std::uint64_t context_;
};

// A run whose three connections are there.
class PerfRequests : public ::testing::Test {
 protected:
  void begin(std::uint64_t active, std::uint64_t depth) {
    application_ = std::make_unique<RequestApplication>(
        run_, Destination{},
        RequestPlan{
            .connections = 3, .active = active, .depth = depth, .requests = 100, .response_bytes = 1});
    application_->on_start(worker_);
    application_->start([](std::uint64_t /*context*/) { return krepis::Result<void>(); });
    for (TestConnection& connection : connections_) {
      application_->on_connection(connection);
    }
  }
  void answer(std::size_t connection, StreamId stream) {
    constexpr std::array<std::uint8_t, 1> kAnswer{};
    application_->on_stream_data(connections_[connection], stream, kAnswer, Fin::kYes);
  }
  [[nodiscard]] std::vector<std::uint64_t> made() const {
    return {connections_[0].requests, connections_[1].requests, connections_[2].requests};
  }

 private:
  TestWorker worker_;
  std::shared_ptr<PerfRun> run_ = std::make_shared<PerfRun>();
  std::array<TestConnection, 3> connections_{TestConnection(0), TestConnection(1), TestConnection(2)};
  std::unique_ptr<RequestApplication> application_;
};

using Counts = std::vector<std::uint64_t>;

TEST_F(PerfRequests, KeepEveryConnectionBusyWhenAllAreActive) {
  begin(3, 2);
  EXPECT_EQ(made(), (Counts{2, 2, 2}));
  answer(1, 0);
  EXPECT_EQ(made(), (Counts{2, 3, 2}));
}

TEST_F(PerfRequests, BeginWithTheActiveConnectionsOnly) {
  begin(2, 4);
  EXPECT_EQ(made(), (Counts{4, 4, 0}));
}

TEST_F(PerfRequests, PassTheTurnWhenTheLastRequestOfItIsAnswered) {
  begin(1, 2);
  answer(0, 0);
  EXPECT_EQ(made(), (Counts{2, 0, 0}));
  answer(0, 4);
  EXPECT_EQ(made(), (Counts{2, 2, 0}));
}

TEST_F(PerfRequests, GiveEveryConnectionItsTurnBeforeTheFirstHasAnother) {
  begin(1, 1);
  answer(0, 0);
  answer(1, 0);
  EXPECT_EQ(made(), (Counts{1, 1, 1}));
  answer(2, 0);
  EXPECT_EQ(made(), (Counts{2, 1, 1}));
}

}  // namespace
}  // namespace knul::cli
