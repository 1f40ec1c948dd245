// What a channel costs: a write on the program's thread, events through a ring, the wake-up of a program that
// sleeps. One process, one worker, one connection over loopback.
#include <benchmark/benchmark.h>
#include <krepis/krepis.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <krepis/krepis.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "channel/event_ring.hpp"
#include "posix/mapping.hpp"
#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace {

using Clock = std::chrono::steady_clock;

class Client final : public krepis::Application {
 public:
  explicit Client(std::atomic<krepis::Connection*>& connection) : connection_(connection) {}
  void on_connection(krepis::Connection& connection) override { connection_.store(&connection); }
  void on_stream_data(krepis::Stream& stream, std::span<const std::uint8_t> bytes,
                      krepis::Fin /*fin*/) override {
    stream.consume(bytes.size());
  }

 private:
  std::atomic<krepis::Connection*>& connection_;
};

// A server with a channel, and a client that is connected to it. Lifetime: the process.
class World {
 public:
  static World& instance() {
    static World world;
    return world;
  }

  [[nodiscard]] std::uint32_t channel() const { return region_.channel; }
  [[nodiscard]] std::uint32_t connection() const { return connection_; }
  krepis::QuicClient& client() { return *client_; }
  krepis::Connection& peer() { return *peer_.load(); }

  // Blocks until there is an event, which is released.
  FfiEvent next() {
    auto* const tail = reinterpret_cast<std::uint32_t*>(region_.base);
    while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == head_) {
      require(krepis_channel_wait(channel(), 10'000) == 1, "no event");
    }
    FfiEvent event;
    std::memcpy(&event, region_.base + 256 + (head_ & (region_.ring_records - 1)) * sizeof event,
                sizeof event);
    ++head_;
    __atomic_store_n(tail + 16, head_, __ATOMIC_RELEASE);
    if (event.length > 0) {
      krepis_channel_release(channel(), &event.offset, 1);
    }
    return event;
  }
  FfiEvent await(std::uint32_t type) {
    for (;;) {
      const FfiEvent event = next();
      if (event.type == type) {
        return event;
      }
    }
  }

 private:
  World() {
    char folder[256];
    KnulTestCertificateFiles files;
    require(knul_test_make_temporary_folder(folder, sizeof folder) == 0, "folder");
    require(knul_test_write_certificates(folder, "server", nullptr, &files) == 0, "certificates");
    const std::string json = std::string(R"({"workers":1,"cert_path":")") + files.cert_path +
                             R"(","key_path":")" + files.key_path + "\"}";
    const FfiResponse started = krepis_quic_start_json(json.data(), json.size());
    require(started.error_code == KREPIS_SUCCESS, krepis_last_error());
    std::uint64_t server = 0;
    std::memcpy(&server, started.result_buffer.data, sizeof server);
    knul_test_remove_folder(folder);
    FfiChannelConfig config{};
    config.queue_bytes = 64 << 20;
    require(krepis_channel_open(server, &config, &region_) == KREPIS_SUCCESS, krepis_last_error());
    krepis::ClientOptions options;
    options.verify_peer = false;
    auto client = krepis::QuicClient::start(options, std::make_unique<Client>(peer_));
    require(client && (*client)->connect("127.0.0.1", krepis_quic_port(server), "localhost", 0), "client");
    client_ = *std::move(client);
    connection_ = await(KREPIS_EVENT_CONNECTION_OPENED).connection;
    while (peer_.load() == nullptr) {
      std::this_thread::yield();
    }
  }

  static void require(bool is_well, const char* what) {
    if (!is_well) {
      std::fprintf(stderr, "channel_bench: %s\n", what);
      std::exit(1);
    }
  }

  FfiChannelRegion region_{};
  std::uint32_t head_ = 0;
  std::uint32_t connection_ = 0;
  std::atomic<krepis::Connection*> peer_{nullptr};
  std::unique_ptr<krepis::QuicClient> client_;
};

// A batch of writes, as many as fit into the stream's queue but at most 256, and the flush that tells the
// worker; making and ending the stream is not measured.
void write_stream(benchmark::State& state) {
  const auto writes = static_cast<int>(std::min<std::int64_t>(256, (1 << 20) / state.range(0)));
  World& world = World::instance();
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 1);
  const auto length = static_cast<std::uint32_t>(bytes.size());
  for (auto _ : state) {
    const auto stream =
        static_cast<std::uint32_t>(krepis_stream_open(world.channel(), world.connection(), 1));
    world.await(KREPIS_EVENT_STREAM_OPENED);
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < writes; ++i) {
      benchmark::DoNotOptimize(
          krepis_stream_write(world.channel(), stream, bytes.data(), length, KREPIS_WRITE_LATER));
    }
    krepis_channel_flush(world.channel());
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count() / writes);
    krepis_stream_write(world.channel(), stream, nullptr, 0, KREPIS_WRITE_FIN);
    world.await(KREPIS_EVENT_STREAM_CLOSED);
  }
}
BENCHMARK(write_stream)->Arg(64)->Arg(1'024)->Arg(16'384)->UseManualTime()->Iterations(2'000);

// Both ends on one thread: what an event costs the worker and the program together.
void pass_events(benchmark::State& state) {
  constexpr std::uint32_t kRecords = 4'096;
  auto memory = knul::posix::Mapping::create(256 + kRecords * sizeof(FfiEvent));
  std::atomic<std::uint8_t> granule{0};
  knul::channel::EventRing ring(memory->data(), kRecords, &granule);
  auto* const words = reinterpret_cast<std::uint32_t*>(memory->data());
  const auto batch = static_cast<std::uint32_t>(state.range(0));
  std::uint64_t sum = 0;
  std::uint32_t head = 0;
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < batch; ++i) {
      FfiEvent event{};
      event.type = KREPIS_EVENT_STREAM_DATA;
      event.length = 1;
      ring.push(event);
    }
    ring.publish();
    const std::uint32_t tail = __atomic_load_n(words, __ATOMIC_ACQUIRE);
    for (; head != tail; ++head) {
      FfiEvent event;
      std::memcpy(&event, memory->data() + 256 + (head & (kRecords - 1)) * sizeof event, sizeof event);
      sum += event.length + event.sequence;
    }
    __atomic_store_n(words + 16, head, __ATOMIC_RELEASE);
    benchmark::DoNotOptimize(ring.refresh_head());
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * batch);
}
BENCHMARK(pass_events)->Arg(1)->Arg(64)->Arg(1'024);

double now_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// From the moment that the worker noticed a datagram to the moment that a program that waited has its event,
// at most 1,000 times a second.
void wake_program(benchmark::State& state) {
  World& world = World::instance();
  std::vector<double> delays_us;
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    world.client().post([&world] {
      world.peer().send_datagram({reinterpret_cast<const std::uint8_t*>("x"), 1});
    });
    const FfiEvent event = world.await(KREPIS_EVENT_DATAGRAM);
    delays_us.push_back(now_us() - event.timestamp_us);
    state.SetIterationTime(delays_us.back() / 1e6);
  }
  std::sort(delays_us.begin(), delays_us.end());
  state.counters["p50_us"] = delays_us[delays_us.size() / 2];
  state.counters["p99_us"] = delays_us[delays_us.size() * 99 / 100];
}
BENCHMARK(wake_program)->UseManualTime()->Iterations(2'000);

}  // namespace
