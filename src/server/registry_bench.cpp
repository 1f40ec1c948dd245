// The target: a handle lookup takes at most 20 ns with 8 threads at once.
#include <benchmark/benchmark.h>

#include <krepis/krepis.hpp>
#include <memory>
#include <stdexcept>

#include "support/temporary_folder.h"
#include "support/test_certificates.h"

namespace {

struct RunningServers {
  RunningServers() {
    KnulTestCertificateFiles files;
    if (knul_test_write_certificates(folder.path().c_str(), "server", nullptr, &files) != 0) {
      throw std::runtime_error("no certificate");
    }
    krepis::ServerOptions options;
    options.cert_path = files.cert_path;
    options.key_path = files.key_path;
    options.workers = 1;
    auto server = krepis::QuicServer::start(options);
    if (!server) {
      throw std::runtime_error(server.error().message);
    }
    handle = registry.register_server(*std::move(server)).value();
  }

  knul::test::TemporaryFolder folder;
  krepis::ServerRegistry registry;
  std::uint64_t handle = 0;
};

RunningServers& servers() {
  static RunningServers running;
  return running;
}

void BM_FindsARunningServer(benchmark::State& state) {
  RunningServers& running = servers();
  for (auto _ : state) {
    const auto pin = running.registry.find(running.handle);
    benchmark::DoNotOptimize(static_cast<bool>(pin));
  }
}
BENCHMARK(BM_FindsARunningServer)->Threads(1)->Threads(8)->UseRealTime();

void BM_FindsNothingForAStaleHandle(benchmark::State& state) {
  RunningServers& running = servers();
  for (auto _ : state) {
    const auto pin = running.registry.find(running.handle + 1'024);
    benchmark::DoNotOptimize(static_cast<bool>(pin));
  }
}
BENCHMARK(BM_FindsNothingForAStaleHandle)->Threads(1)->Threads(8)->UseRealTime();

void BM_WritesStatistics(benchmark::State& state) {
  RunningServers& running = servers();
  std::string out;
  for (auto _ : state) {
    out.clear();
    running.registry.find(running.handle)->stats_json(out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_WritesStatistics);

}  // namespace
