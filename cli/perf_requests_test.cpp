#include "cli/perf_requests.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <vector>

namespace knul::cli {
namespace {

using krepis::Fin;

class TestWorker final : public krepis::Worker {
 public:
  [[nodiscard]] unsigned index() const override { return 0; }
  bool post(std::function<void()> /*task*/) override { return false; }
  void call_after(std::chrono::nanoseconds /*delay*/, std::function<void()> /*task*/) override {}
  [[nodiscard]] std::chrono::nanoseconds now() const override { return std::chrono::nanoseconds(1); }
};

class TestStream final : public krepis::Stream {
 public:
  explicit TestStream(krepis::Connection& connection) : krepis::Stream(connection) {}

  [[nodiscard]] krepis::StreamId id() const override { return 0; }
  std::size_t write(std::span<const std::uint8_t> bytes, Fin /*fin*/) override { return bytes.size(); }
  std::size_t write(krepis::SharedBytes bytes, Fin /*fin*/) override { return bytes.bytes.size(); }
  [[nodiscard]] std::size_t writable_bytes() const override { return 0; }
  void consume(std::size_t /*bytes*/) override {}
  void reset(std::uint64_t /*code*/) override {}
  void stop_sending(std::uint64_t /*code*/) override {}
  void refuse(std::uint64_t /*code*/) override { is_refused = true; }
  void set_priority(krepis::StreamPriority /*priority*/) override {}
  void retain() override {}
  void release() override {}

  bool is_refused = false;
};

// Keeps the streams of the requests that are made on it.
class TestConnection final : public krepis::Connection {
 public:
  explicit TestConnection(std::uint64_t context) : context_(context) {}

  std::deque<TestStream> streams;

  [[nodiscard]] bool is_resumed() const override { return false; }
  [[nodiscard]] std::optional<krepis::PeerCertificate> peer_certificate() const override {
    return std::nullopt;
  }
  [[nodiscard]] std::uint64_t context() const override { return context_; }
  krepis::Result<krepis::Stream*> open_stream(krepis::StreamDirection /*direction*/) override {
    krepis::Connection& self = *this;
    krepis::Stream* const opened = &streams.emplace_back(self);
    return opened;
  }
  [[nodiscard]] krepis::Stream* find_stream(krepis::StreamId /*id*/) override { return nullptr; }
  void for_each_stream(const std::function<void(krepis::Stream& stream)>& /*visit*/) override {}
  [[nodiscard]] std::uint64_t id() const override { return context_; }
  [[nodiscard]] std::string_view alpn() const override { return {}; }
  [[nodiscard]] std::string_view server_name() const override { return {}; }
  [[nodiscard]] std::string peer_address() const override { return {}; }
  [[nodiscard]] krepis::ConnectionInfo info() const override { return {}; }
  void drop_datagram() override {}
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
      application_->on_streams_available(connection, krepis::StreamDirection::kBidirectional);
    }
  }
  void answer(std::size_t connection, std::size_t request) {
    constexpr std::array<std::uint8_t, 1> kAnswer{};
    application_->on_stream_data(connections_[connection].streams.at(request), kAnswer, Fin::kYes);
  }
  // The server opens a stream.
  [[nodiscard]] bool refuses_stream_of_server() {
    TestStream stream(connections_[0]);
    application_->on_stream_opened(stream);
    return stream.is_refused;
  }
  [[nodiscard]] std::vector<std::uint64_t> made() const {
    return {connections_[0].streams.size(), connections_[1].streams.size(), connections_[2].streams.size()};
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

TEST_F(PerfRequests, RefuseStreamsThatTheServerOpens) {
  begin(3, 2);
  EXPECT_TRUE(refuses_stream_of_server());
}

TEST_F(PerfRequests, BeginWithTheActiveConnectionsOnly) {
  begin(2, 4);
  EXPECT_EQ(made(), (Counts{4, 4, 0}));
}

TEST_F(PerfRequests, PassTheTurnWhenTheLastRequestOfItIsAnswered) {
  begin(1, 2);
  answer(0, 0);
  EXPECT_EQ(made(), (Counts{2, 0, 0}));
  answer(0, 1);
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
