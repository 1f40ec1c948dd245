// A server with the service perf and a client in one thread and virtual time: once warm, their packets and
// requests take nothing from the global heap.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "allocation_counter.hpp"
#include "quic/endpoint_pair_test_support.hpp"
#include "server/worker_core.hpp"
#include "service/perf_service.hpp"

namespace knul {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kHeaderBytes = service::PerfService::kHeaderBytes;

std::array<std::uint8_t, kHeaderBytes> header_for(std::uint64_t answer_bytes) {
  std::array<std::uint8_t, kHeaderBytes> header{};
  for (std::size_t i = 0; i < kHeaderBytes; ++i)
    header[i] = static_cast<std::uint8_t>(answer_bytes >> 8 * (kHeaderBytes - 1 - i));
  return header;
}

// Sends what it is told and drops what it gets.
class Client final : public krepis::Application {
 public:
  struct State {
    krepis::Connection* connection = nullptr;
    krepis::StreamId upload = 0;
    std::uint64_t to_upload = 0;
    std::uint64_t answered = 0;  // streams
  };
  explicit Client(State& state) : state_(state) {}

  void on_connection(krepis::Connection& connection) override { state_.connection = &connection; }
  void on_stream_data(krepis::Connection& connection, krepis::StreamId stream,
                      std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    connection.consume(stream, bytes.size());
    state_.answered += fin == krepis::Fin::kYes ? 1 : 0;
  }
  void on_stream_writable(krepis::Connection&, krepis::StreamId) override { push(state_); }

  static void push(State& state) {
    static constexpr std::array<std::uint8_t, 16'384> kContent{};
    while (state.to_upload > 0) {
      const std::size_t chunk = std::min<std::uint64_t>(kContent.size(), state.to_upload);
      const std::size_t taken = state.connection->write(state.upload, std::span(kContent).first(chunk),
                                                        krepis::Fin{chunk == state.to_upload});
      state.to_upload -= taken;
      if (taken < chunk)
        return;
    }
  }

 private:
  State& state_;
};

class SteadyState : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::counts_allocations())
      GTEST_SKIP() << "a sanitizer's allocator cannot be counted";
    ASSERT_TRUE(client_.connect({quic::EndpointPair::path(), "localhost", 0}, now_));
    run_until([this] { return state_.connection != nullptr; });
  }

  template <class Condition>
  void run_until(Condition is_done) {
    for (int turn = 0; turn < 1'000'000 && !is_done(); ++turn) {
      now_ += 20us;
      client_.handle_expiry(now_);
      server_.handle_expiry(now_);
      carry(client_, server_);
      carry(server_, client_);
    }
    ASSERT_TRUE(is_done());
  }

  void download(std::uint64_t bytes) {
    begin(bytes);
    finish();
  }
  void upload(std::uint64_t bytes) {
    state_.upload = *state_.connection->open_stream(krepis::StreamDirection::kBidirectional);
    state_.connection->write(state_.upload, header_for(0), krepis::Fin::kNo);
    ++begun_;
    state_.to_upload = bytes;
    Client::push(state_);
    finish();
  }
  // 50 at a time.
  void request(int count) {
    for (int done = 0; done < count; done += 50) {
      for (int i = 0; i < 50; ++i)
        begin(1'024);
      finish();
    }
  }

  // Allocations while `work` runs.
  template <class Work>
  std::uint64_t allocations_of(Work work) {
    const std::uint64_t before = test::allocation_count();
    work();
    return test::allocation_count() - before;
  }

 private:
  void begin(std::uint64_t answer_bytes) {
    const auto stream = state_.connection->open_stream(krepis::StreamDirection::kBidirectional);
    ASSERT_TRUE(stream);
    state_.connection->write(*stream, header_for(answer_bytes), krepis::Fin::kYes);
    ++begun_;
  }
  void finish() {
    run_until([this] { return state_.answered == begun_; });
    for (int turn = 0; turn < 4; ++turn)  // the last acknowledgements
      run_until([end = now_ + 1ms, this] { return now_ >= end; });
  }

  void carry(server::WorkerCore& from, server::WorkerCore& to) {
    batch_.clear();
    from.poll_send(batch_, now_);
    for (const base::Train& train : batch_.trains()) {
      for (auto rest = batch_.bytes(train); !rest.empty();) {
        const auto packet = rest.first(std::min<std::size_t>(rest.size(), train.segment_bytes));
        rest = rest.subspan(packet.size());
        std::ignore = to.handle_datagram({{train.path.remote, train.path.local}, train.ecn, packet}, now_);
      }
    }
  }

  static quic::EndpointOptions server_options() {
    quic::EndpointOptions options = quic::EndpointPair::options();
    options.server_tls = quic::EndpointPair::server_tls({"perf"});
    return options;
  }
  static quic::EndpointOptions client_options() {
    quic::EndpointOptions options = quic::EndpointPair::options();
    options.client_tls = quic::EndpointPair::client_tls({"perf"});
    return options;
  }
  server::CoreEnvironment environment(stats::WorkerCounters& counters) {
    return {random_, log_, counters, [](auto) { return false; }};
  }

  base::Instant now_{1h};
  quic::SeededRandom random_{1};
  base::NullLogSink log_;
  stats::WorkerCounters server_counters_, client_counters_;
  Client::State state_;
  std::uint64_t begun_ = 0;
  base::SendBatch batch_{{}};
  server::WorkerCore server_{server_options(), environment(server_counters_),
                             std::make_unique<service::PerfService>(), now_};
  server::WorkerCore client_{client_options(), environment(client_counters_),
                             std::make_unique<Client>(state_), now_};
};

// Growth that has nothing to do with the amount of work: a table or pool that once reaches a new maximum.
constexpr std::uint64_t kFew = 40;

TEST_F(SteadyState, DownloadsTakeNothingFromTheHeapPerPacket) {
  download(32 << 20);
  EXPECT_LT(allocations_of([this] { download(32 << 20); }), kFew) << "for about 23,000 packets";
}

TEST_F(SteadyState, UploadsTakeNothingFromTheHeapPerPacket) {
  upload(32 << 20);
  EXPECT_LT(allocations_of([this] { upload(32 << 20); }), kFew) << "for about 23,000 packets";
}

TEST_F(SteadyState, RequestsTakeNothingFromTheHeap) {
  request(2'000);
  EXPECT_LT(allocations_of([this] { request(5'000); }), kFew) << "for 5,000 requests";
}

}  // namespace
}  // namespace knul
