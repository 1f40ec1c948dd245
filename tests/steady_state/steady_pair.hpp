// A server and a client in one thread and virtual time, and a count of what their packets take from the
// global heap.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocation_counter.hpp"
#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "server/worker_core.hpp"
#include "service/perf_service.hpp"

namespace knul::test {

using namespace std::chrono_literals;

// Growth that has nothing to do with the amount of work: a table or pool that once reaches a new maximum.
inline constexpr std::uint64_t kFewAllocations = 40;

// Speaks perf: sends what it is told and drops what it gets.
class Client final : public krepis::Application {
 public:
  struct State {
    krepis::Connection* connection = nullptr;
    krepis::Stream* upload = nullptr;
    std::uint64_t to_upload = 0;
    std::uint64_t answered = 0;  // streams
    std::uint64_t datagrams = 0;
  };
  explicit Client(State& state) : state_(state) {}

  void on_connection(krepis::Connection& connection) override { state_.connection = &connection; }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin) override {
    stream.consume(bytes.size());
    state_.answered += fin == krepis::Fin::kYes ? 1 : 0;
  }
  void on_stream_writable(krepis::Stream& /*stream*/) override { push(state_); }
  void on_datagram(krepis::Connection&, std::span<const std::uint8_t>) override { ++state_.datagrams; }

  static void push(State& state) {
    static constexpr std::array<std::uint8_t, 16'384> kContent{};
    while (state.to_upload > 0) {
      const std::size_t chunk = std::min<std::uint64_t>(kContent.size(), state.to_upload);
      const std::size_t taken =
          state.upload->write(std::span(kContent).first(chunk), krepis::Fin{chunk == state.to_upload});
      state.to_upload -= taken;
      if (taken < chunk)
        return;
    }
  }

 private:
  State& state_;
};

class SteadyPair {
 public:
  // `datagram_queue` is the server's.
  SteadyPair(std::unique_ptr<krepis::Application> application, const std::string& protocol,
             std::size_t datagram_queue = 256)
      : server_(server_options(protocol, datagram_queue), environment(server_counters_),
                std::move(application), now_),
        client_(client_options(protocol), environment(client_counters_), std::make_unique<Client>(state_),
                now_) {}

  // What a program does beside the server, in every turn.
  std::function<void()> on_turn = [] {};

  void connect() {
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
      server_.finish_input(now_);
      on_turn();
      std::swap(posted_, running_);
      for (const std::function<void()>& task : running_)
        server_.run_posted(task, now_);
      running_.clear();
      server_.finish_input(now_);
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
    state_.upload->write(header_for(0), krepis::Fin::kNo);
    ++begun_;
    state_.to_upload = bytes;
    Client::push(state_);
    finish();
  }
  // 50 at a time.
  void request(int count, std::uint64_t answer_bytes) {
    for (int done = 0; done < count; done += 50) {
      for (int i = 0; i < 50; ++i)
        begin(answer_bytes);
      finish();
    }
  }
  // 50 at a time, and each comes back.
  void exchange_datagrams(int count) {
    static constexpr std::array<std::uint8_t, 1'000> kContent{};
    for (int done = 0; done < count; done += 50) {
      const std::uint64_t before = state_.datagrams;
      for (int i = 0; i < 50; ++i)
        ASSERT_TRUE(state_.connection->send_datagram(kContent));
      run_until([&] { return state_.datagrams == before + 50; });
    }
  }

  // Allocations while `work` runs.
  template <class Work>
  std::uint64_t allocations_of(Work work) {
    const std::uint64_t before = allocation_count();
    work();
    return allocation_count() - before;
  }

 private:
  static constexpr std::size_t kHeaderBytes = service::PerfService::kHeaderBytes;

  static std::array<std::uint8_t, kHeaderBytes> header_for(std::uint64_t answer_bytes) {
    std::array<std::uint8_t, kHeaderBytes> header{};
    for (std::size_t i = 0; i < kHeaderBytes; ++i)
      header[i] = static_cast<std::uint8_t>(answer_bytes >> 8 * (kHeaderBytes - 1 - i));
    return header;
  }

  void begin(std::uint64_t answer_bytes) {
    const auto stream = state_.connection->open_stream(krepis::StreamDirection::kBidirectional);
    ASSERT_TRUE(stream);
    (*stream)->write(header_for(answer_bytes), krepis::Fin::kYes);
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

  static quic::EndpointOptions server_options(const std::string& protocol, std::size_t datagram_queue) {
    quic::EndpointOptions options = quic::EndpointPair::options();
    options.transport.datagram_queue = datagram_queue;
    options.server_tls = quic::EndpointPair::server_tls({protocol});
    return options;
  }
  static quic::EndpointOptions client_options(const std::string& protocol) {
    quic::EndpointOptions options = quic::EndpointPair::options();
    options.client_tls = quic::EndpointPair::client_tls({protocol});
    return options;
  }
  server::CoreEnvironment environment(stats::WorkerCounters& counters) {
    return {random_, log_, counters, [this](auto task) {
              posted_.push_back(std::move(task));
              return true;
            }};
  }

  base::Instant now_{1h};
  quic::SeededRandom random_{1};
  base::NullLogSink log_;
  stats::WorkerCounters server_counters_, client_counters_;
  Client::State state_;
  std::uint64_t begun_ = 0;
  std::vector<std::function<void()>> posted_, running_;
  base::SendBatch batch_{{}};
  server::WorkerCore server_;
  server::WorkerCore client_;
};

}  // namespace knul::test
